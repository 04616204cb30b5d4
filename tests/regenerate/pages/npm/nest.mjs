// A NestJS application that shows a document. Prints its address once it is up.
import 'reflect-metadata'
import fs from 'node:fs'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { SwaggerModule } from '@nestjs/swagger'

class Application {}
Module({})(Application)

const document = JSON.parse(fs.readFileSync(process.argv[2]))
document.info.description = "costs $$ 5, $& 5, $' 5 and $` 5"
const options = { swaggerOptions: { requestInterceptor: (r) => { r.headers['x'] = '};'; return r } } }
const app = await NestFactory.create(Application, { logger: ['error'] })
SwaggerModule.setup('api-docs', app, document, options)
SwaggerModule.setup('page-only', app, document, { ...options, raw: false })
await app.listen(0, '127.0.0.1')
console.log(`http://127.0.0.1:${app.getHttpServer().address().port}`)
