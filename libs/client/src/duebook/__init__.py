"""Duebook's SDK: tasks, resources, what tasks get and raise, and the clients of the REST API."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duebook.client import AsyncClient, Client
    from duebook.context import Context
    from duebook.defaults import Backoff
    from duebook.errors import Fail, RetryAfter, TaskError
    from duebook.resources import resource
    from duebook.tasks import TaskFunction, task

_MODULES = {
    "AsyncClient": "client",
    "Backoff": "defaults",
    "Client": "client",
    "Context": "context",
    "Fail": "errors",
    "RetryAfter": "errors",
    "TaskError": "errors",
    "TaskFunction": "tasks",
    "resource": "resources",
    "task": "tasks",
}

__all__ = [
    "AsyncClient",
    "Backoff",
    "Client",
    "Context",
    "Fail",
    "RetryAfter",
    "TaskError",
    "TaskFunction",
    "resource",
    "task",
]


def __getattr__(name: str) -> Any:
    """Import a part when it is first wanted: the command line and the client start without pydantic."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see above

    return getattr(import_module(f"duebook.{_MODULES[name]}"), name)
