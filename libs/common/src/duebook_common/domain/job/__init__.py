"""The job: its events, its commands, its state, and `decide`, which joins them."""
