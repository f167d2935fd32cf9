"""Duebook measured against raw baselines of the same run: `make bench`."""
