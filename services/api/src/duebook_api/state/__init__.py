"""What one process of the api keeps between requests."""
