"""Duebook's SDK: what a module of tasks needs. The client of the REST API is `duebook.client`."""

from duebook.tasks import Context, Fail, RetryAfter, task

__all__ = ["Context", "Fail", "RetryAfter", "task"]
