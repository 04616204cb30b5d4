"""Put a published document into the form that OpenAPI asks for."""
