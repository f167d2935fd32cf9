"""Duebook's executor: carries runs out, one attempt at a time."""
