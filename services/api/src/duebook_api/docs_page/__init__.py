"""The page at `/api/docs`, with Swagger UI served by the api itself."""
