// Every way in which swagger-ui-express and swagger-ui-dist show a document. Prints its address and that of the stock page.
const express = require('express')
const fs = require('node:fs')
const path = require('node:path')
const ui = require('swagger-ui-express')

const document = JSON.parse(fs.readFileSync(process.argv[2]))
const other = { ...document, info: { title: 'Other', version: '1' }, paths: { '/x': document.paths['/api/anything'] } }
const app = express()
app.get('/openapi.json', (request, response) => response.json(document))
app.get('/other.json', (request, response) => response.json(other))

const show = (at, shown, options) => app.use(at, ui.serveFiles(shown, options), ui.setup(shown, options))
show('/embedded', document)
show('/functions', document, { swaggerOptions: { requestInterceptor: (r) => { r.headers['x'] = '};'; return r } } })
show('/url', null, { swaggerOptions: { url: '/openapi.json' } })
show('/swagger-url', null, { swaggerUrl: '../openapi.json' })
const urls = [{ url: '/other.json', name: 'other' }, { url: '/openapi.json', name: 'ours' }]
show('/urls', null, { explorer: true, swaggerOptions: { urls } })
show('/swagger-urls', null, { explorer: true, swaggerUrls: urls })

for (const [name, text] of Object.entries({ whole: '$&', before: '$`', after: "$'", doubled: '$$' })) {
  const priced = { ...document, info: { ...document.info, description: `costs ${text} 5` } }
  show(`/damaged-${name}`, priced)
  show(`/beside-${name}`, priced)
  app.get(`/beside-${name}-json`, (request, response) => response.json(priced))
}

app.use('/shared', ui.serve, ui.setup(document))
app.use('/shared-too', ui.serve, ui.setup(other))

const files = path.dirname(require.resolve('swagger-ui-dist/package.json'))
const initializer = fs.readFileSync(path.join(files, 'swagger-initializer.js'), 'utf8')
app.get('/static/swagger-initializer.js', (request, response) =>
  response.type('js').send(initializer.replace(/https:.*swagger\.json/, '../openapi.json')))
app.use('/static', express.static(files))

const address = (server) => `http://127.0.0.1:${server.address().port}`
const pages = app.listen(0, '127.0.0.1', () => {
  const stock = express().use(express.static(files)).listen(0, '127.0.0.1', () => console.log(address(pages), address(stock)))
})
