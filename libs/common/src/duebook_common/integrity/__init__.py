"""The operator's tools for the database: verify the log, rebuild the read models, migrate the schema."""
