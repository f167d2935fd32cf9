"""Jobs that are kept in files: read them, compare them with what the API has, and describe the difference."""
