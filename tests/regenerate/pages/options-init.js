window.onload = function() {
  var options = {
  "customOptions": { @options@ },
  "swaggerUrl": {}
};
  var ui = SwaggerUIBundle(options)
}
