"""Duebook's SDK: `@task` and the exceptions and context of tasks. The client of the REST API is `duebook.client`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duebook.tasks import Context, Fail, RetryAfter, task

__all__ = ["Context", "Fail", "RetryAfter", "task"]


def __getattr__(name: str) -> Any:
    """Import the tasks when they are first asked for: the command line and the client start without pydantic."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from duebook import tasks  # noqa: PLC0415 - see above

    return getattr(tasks, name)
