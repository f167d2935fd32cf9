"""The whole log: pages of it, and the stream of server-sent events."""
