"""Pure: view models, words and drawings of the console's pages."""
