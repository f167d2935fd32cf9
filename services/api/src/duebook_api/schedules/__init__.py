"""Schedules before there is a job of them: preview and forecast."""
