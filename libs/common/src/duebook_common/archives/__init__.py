"""Archives: files outside of the database that keep what a period of the log held, linked by a chain of hashes."""
