"""Pictures of the console, drawn from example data: `make pictures`."""
