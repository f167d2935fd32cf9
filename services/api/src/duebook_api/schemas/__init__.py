"""The JSON of the API: request bodies, schemas of answers, and the views that make the answers."""
