"""Authentication by API keys, and authorization by their scopes."""
