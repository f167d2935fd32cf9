"""The job: its events, its state, and every decision that concerns its schedule or several of its runs."""
