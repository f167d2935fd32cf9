"""Duebook's client, command line and local stack."""

from duebook_common.tasks import Context, Fail, RetryAfter, task

__all__ = ["Context", "Fail", "RetryAfter", "task"]
