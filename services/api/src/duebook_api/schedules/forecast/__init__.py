"""Forecasts: runs per hour, times that changes would add and remove, DST transitions, runs at once."""
