"""Bulk operations: one command for all jobs, runs or dead letters that match a filter."""
