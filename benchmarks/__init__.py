"""Benchmarks of Duebook, next to baselines of the same servers in the same run: `make bench`."""
