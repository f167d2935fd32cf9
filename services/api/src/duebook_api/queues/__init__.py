"""Work queues: how many runs wait in each, and their pauses; and the freeze of the whole installation."""
