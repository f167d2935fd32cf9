"""The routes of the console: each parses a request, asks the functions of the API's routes, and renders."""
