"""All events of the log: as a list of pages, and as a stream of server-sent events."""
