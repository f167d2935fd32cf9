"""Duebook's REST API: parse, handle, answer."""
