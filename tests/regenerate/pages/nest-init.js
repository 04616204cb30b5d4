window.onload = function() {
  let url = window.location.search.match(/url=([^&]+)/);
  let options = {
  "swaggerDoc": @document@,
  "customOptions": { "requestInterceptor": function (r) { /* "swaggerDoc": {} */ r.url = `${r.url}?a={`; return r } }
};
  url = options.swaggerUrl || url
  let ui = SwaggerUIBundle({ spec: options.swaggerDoc, url: url })
}
