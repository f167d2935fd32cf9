"""The tasks that every executor has."""
