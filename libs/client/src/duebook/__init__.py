"""Duebook's SDK: `@task` and the exceptions and context of tasks. The client of the REST API is `duebook.client`."""

from duebook.tasks import Context, Fail, RetryAfter, task

__all__ = ["Context", "Fail", "RetryAfter", "task"]
