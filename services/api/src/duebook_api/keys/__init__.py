"""API keys, and the audit: what people and programs did with them."""
