"""Schedules without a run: the preview of one schedule, and forecasts over all jobs."""
