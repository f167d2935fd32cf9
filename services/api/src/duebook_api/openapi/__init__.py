"""The OpenAPI document: what the routes declare, and the words and examples for each field, parameter and answer."""
