"""Bulk operations: one action on all jobs, runs or dead letters that match a filter."""
