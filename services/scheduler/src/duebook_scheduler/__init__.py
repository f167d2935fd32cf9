"""Duebook's scheduler: finds what is due, dispatches it, and relays outcomes."""
