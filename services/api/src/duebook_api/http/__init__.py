"""HTTP: reading requests and writing responses, with problems, pages of lists and positions in the log."""
