"""The run: its commands, its events, its state, and `decide`, which joins them."""
