"""The operator's tools for the books: verify them, rebuild the read models, migrate the schema."""
