"""The pauses of work queues and of the whole installation: events, state, decisions."""
