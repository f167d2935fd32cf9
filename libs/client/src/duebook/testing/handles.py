"""What `enqueue` returns where it is recorded: a job and a run as an API would answer them, without any API."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol
from uuid import uuid4

from duebook.client.models import Job, Run

_RETRIES = 3


class RecordedCall(Protocol):
    """One call of `enqueue`."""

    @property
    def task(self) -> str: ...
    @property
    def payload(self) -> Any: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...


class RecordedHandle:
    """In place of the handle of a `Client`."""

    def __init__(self, results: Callable[[str], Any], call: RecordedCall) -> None:
        self._results, self._task, self._call = results, call.task, call

    @cached_property
    def job(self) -> Job:
        """The job, with the general defaults in place of those of the task."""
        return _job(self._call)

    def wait(self, timeout: float | None = None) -> Run:  # noqa: ARG002 - as of the real one
        """A run that has succeeded with what `will_return` was given; raises LookupError without it."""
        return _run(self.job, self._results(self._task))

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - as of the real one
        """What `will_return` was given; raises LookupError without it."""
        return self._results(self._task)

    def cancel(self, reason: str | None = None) -> None:
        """Nothing is to be cancelled."""


class RecordedAsyncHandle:
    """In place of the handle of an `AsyncClient`."""

    def __init__(self, results: Callable[[str], Any], call: RecordedCall) -> None:
        self._handle = RecordedHandle(results, call)

    @property
    def job(self) -> Job:
        """The job, with the general defaults in place of those of the task."""
        return self._handle.job

    async def wait(self, timeout: float | None = None) -> Run:
        """Like that of `RecordedHandle`."""
        return self._handle.wait(timeout)

    async def result(self, timeout: float | None = None) -> Any:
        """Like that of `RecordedHandle`."""
        return self._handle.result(timeout)

    async def cancel(self, reason: str | None = None) -> None:
        """Nothing is to be cancelled."""


def _job(call: RecordedCall) -> Job:
    """The job with the fields that were given. Those that a server would fill in have its general defaults."""
    now = datetime.now(UTC)
    given = {name: _whole(name, field) for name, field in call.fields.items() if name != "at"}
    due = call.fields.get("at", now)
    defaults = {"name": call.task, "task": call.task, "payload": call.payload, "scheduled_at": due, "next_due_at": due}
    times = {"created_at": now, "updated_at": now}
    return Job.model_validate({**_GENERAL, "id": uuid4(), **defaults, **times, **given})


def _whole(name: str, field: Any) -> Any:
    """The field with the defaults of the members that were not given."""
    members = _MEMBERS.get(name) or _GENERAL.get(name)
    return {**members, **field} if isinstance(members, Mapping) and isinstance(field, Mapping) else field


def _run(job: Job, result: Any) -> Run:
    now = datetime.now(UTC)
    names = {"id": uuid4(), "job_id": job.id, "job_name": job.name, "job_version": 1, "task": job.task}
    times = {"nominal_at": job.scheduled_at, "due_at": job.scheduled_at, "started_at": now, "finished_at": now}
    counts = {"attempt": 1, "failures": 0, "max_attempts": job.max_retries + 1}
    end = {"status": "succeeded", "error": None, "result": result, "executor": None, "trigger": "schedule"}
    return Run.model_validate({**names, **times, **counts, **end, "queue": job.queue, "payload": job.payload})


_MEMBERS: Mapping[str, Any] = {"concurrency": {"limit": 1}, "rate": {"per": "PT1S"}}
_GENERAL: Mapping[str, Any] = {
    "recurrence": "none",
    "timezone": "UTC",
    "dst": {"gap": "run_after", "fold": "first"},
    "ends_at": None,
    "max_runs": None,
    "max_retries": _RETRIES,
    "backoff": {"initial": "PT1S", "factor": 2, "max": "PT1H", "jitter": 0.2},
    "timeout": "PT5M",
    "start_within": None,
    "jitter": None,
    "pause_on_failure": False,
    "overlap": "skip",
    "catch_up": {"policy": "latest", "window": "P365D"},
    "queue": "default",
    "priority": 4,
    "concurrency": None,
    "notify": {"to": [], "on": ["succeeded", "dead_lettered"]},
    "tags": [],
    "metadata": {},
    "rate": None,
    "then": [],
    "keep": None,
    "key": None,
    "status": "active",
    "version": 1,
    "warnings": [],
}
