
window.onload = function() {
  // Where the page was opened, unless it says otherwise
  var url = window.location.search.match(/url=([^&"']+)/);
  if (url && url.length > 1) {
    url = decodeURIComponent(url[1]);
  } else {
    url = window.location.origin;
  }
  var options = {
  "swaggerDoc": @document@,
  "customOptions": {
    "requestInterceptor": (request) => { request.headers["x"] = "};"; return request; },
    "logo": {"url": "/logo.png"}
  },
  "swaggerUrl": {}
};
  url = options.swaggerUrl || url
  var ui = SwaggerUIBundle({ spec: options.swaggerDoc, url: url, dom_id: '#swagger-ui' })
  window.ui = ui
}
