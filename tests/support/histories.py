"""The history of runs and jobs as the API shows it, and times as requests write them."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from support.fleet import Platform

Events = list[dict[str, Any]]


def events(platform: Platform, run_id: str) -> Events:
    """The events of a run, oldest first."""
    found: Events = platform.get(f"/api/run/{run_id}/events?limit=200")["items"]
    return found


def types(platform: Platform, run_id: str) -> list[str]:
    """The types of a run's events, oldest first."""
    return [event["type"] for event in events(platform, run_id)]


def job_events(platform: Platform, job_id: str) -> Events:
    """The events of a job, oldest first."""
    found: Events = platform.get(f"/api/job/{job_id}/events?limit=200")["items"]
    return found


def job_log(platform: Platform, job_id: str) -> list[tuple[str, str]]:
    """Status and message of each entry of a job's log, oldest first."""
    items = platform.get(f"/api/job-log/job/{job_id}?limit=200")["items"]
    return [(item["status"], item["message"]) for item in reversed(items)]


def when(text: str) -> datetime:
    """A time of the API, parsed."""
    return datetime.fromisoformat(text)


def recorded(history: Events, type_: str) -> list[datetime]:
    """When the events of this type were recorded."""
    return [when(event["recorded_at"]) for event in history if event["type"] == type_]


def from_now(**delta: float) -> str:
    """A time relative to now, for a request: `from_now(days=-1, seconds=1)`."""
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def executor_of(platform: Platform, queue: str, **environment: str) -> AbstractContextManager[None]:
    """Run another executor, for this queue only, during the block."""
    return _Executor(platform, {"DUEBOOK_QUEUES": queue, **environment})


class _Executor(AbstractContextManager[None]):
    def __init__(self, platform: Platform, environment: dict[str, str]) -> None:
        self._platform, self._environment = platform, environment

    def __enter__(self) -> None:
        (self._service,) = self._platform.start("executor", copies=1, **self._environment)

    def __exit__(self, *_: object) -> None:
        self._service.stop()
