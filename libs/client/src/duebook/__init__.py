"""Duebook's SDK: `@task` with the exceptions and the context of tasks, and the clients of the REST API."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duebook.client import AsyncClient, Client
    from duebook.tasks import Context, Fail, RetryAfter, task

__all__ = ["AsyncClient", "Client", "Context", "Fail", "RetryAfter", "task"]

_OF_CLIENT = {"AsyncClient", "Client"}


def __getattr__(name: str) -> Any:
    """Import a part when it is first wanted: the command line and the client start without pydantic."""
    from importlib import import_module  # noqa: PLC0415 - see above

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("duebook.client" if name in _OF_CLIENT else "duebook.tasks"), name)
