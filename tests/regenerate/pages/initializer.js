window.onload = function() {
  /* url: "/commented-out.json" */
  window.ui = SwaggerUIBundle({
    // url: "https://petstore.swagger.io/v2/swagger.json",
    url: "@url@",
    dom_id: '#swagger-ui',
    presets: [SwaggerUIBundle.presets.apis],
  });
};
