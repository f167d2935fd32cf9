"""Who asks, and what a key may do."""
