"""The clients of the REST API.

with Client("http://127.0.0.1:8000", key) as client:
    job = client.jobs.create("nightly report", task="reports.nightly", recurrence="daily")
    run = client.jobs.trigger(job)
    print(client.runs.wait(run, timeout=60).status)

`AsyncClient` has the same methods, to be awaited.
"""

from typing import TYPE_CHECKING, Any

from duebook.client.connections import Send
from duebook.client.errors import (
    ApiError,
    ClientError,
    Conflict,
    Fault,
    Forbidden,
    Gone,
    Invalid,
    InvalidRequest,
    NoRun,
    NotDuebook,
    NotFound,
    RunCancelled,
    RunEnded,
    RunFailed,
    RunSkipped,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedResult,
    Unreachable,
    WaitTimeout,
)
from duebook.client.sync_client import Client
from duebook.client.wire import Response

if TYPE_CHECKING:
    from duebook.client.async_client import AsyncClient
    from duebook.client.handles import AsyncHandle, Handle
    from duebook.client.models import (
        DeadLetter,
        Event,
        Group,
        Job,
        Ledger,
        LedgerEntry,
        LogEntry,
        RedriveSummary,
        Run,
        Why,
    )

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncHandle",
    "Client",
    "ClientError",
    "Conflict",
    "DeadLetter",
    "Event",
    "Fault",
    "Forbidden",
    "Gone",
    "Group",
    "Handle",
    "Invalid",
    "InvalidRequest",
    "Job",
    "Ledger",
    "LedgerEntry",
    "LogEntry",
    "NoRun",
    "NotDuebook",
    "NotFound",
    "RedriveSummary",
    "Response",
    "Run",
    "RunCancelled",
    "RunEnded",
    "RunFailed",
    "RunSkipped",
    "Send",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedResult",
    "Unreachable",
    "WaitTimeout",
    "Why",
]

_MODULES = {"AsyncClient": "async_client", "AsyncHandle": "handles", "Handle": "handles"}


def __getattr__(name: str) -> Any:
    """Import the models and the client for asyncio when they are first wanted: they need pydantic and httpx2."""
    from importlib import import_module  # noqa: PLC0415 - see above

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'models')}"), name)
