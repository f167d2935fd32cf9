"""One-off jobs that are sent and awaited: a task, its payload, and its result."""

import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from pydantic import TypeAdapter, ValidationError

from duebook.client.errors import ApiError, Invalid, NoRun, UnexpectedResult, WaitTimeout
from duebook.client.fields import Duration, Time
from duebook.client.jobs import delete, once
from duebook.client.models import Job, Run
from duebook.client.paths import path_of
from duebook.client.runs import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    deadline_of,
    outcome,
)
from duebook.client.runs import cancel as cancel_run
from duebook.client.steps import Call, Now, Sleep
from duebook.client.waiting import LONGEST_WAIT, Wait, refuses_to_wait, send_waiting, wait_query
from duebook.client.wire import Request
from duebook.unset import UNSET, without_unset

if TYPE_CHECKING:
    from duebook.tasks import TaskFunction

_LONGEST_SLEEP = 60.0  # seconds
_ENDED = {"finished", "deleted"}  # no run will be made


class EnqueueFields(TypedDict, total=False):
    """The fields of a one-off job; the server fills those that are left out, as in every other job of the task."""

    name: str
    """Default: the name of the task."""
    key: str
    """A name of its own, unique among jobs that are not deleted; a second job with it is refused with Conflict."""
    queue: str
    priority: int
    max_retries: int
    backoff: Mapping[str, Any]
    timeout: Duration
    start_within: Duration
    pause_on_failure: bool
    concurrency: Mapping[str, Any]
    rate: Mapping[str, Any]
    then: "typing.Sequence[Mapping[str, Any]]"
    notify: Mapping[str, Any]
    tags: "typing.Sequence[str]"
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A job that was sent. Sending `request` again makes nothing new: it asks for the same job."""

    job: Job
    request: Request
    result_type: Any = Any


def enqueue(
    task: "TaskFunction[..., Any, Any] | str",
    payload: Any = UNSET,
    at: Time | None = None,
    idempotency_key: str | None = None,
    fields: Mapping[str, Any] | None = None,
    *,
    wait: Wait | None = None,
) -> Call[Enqueued]:
    """Create a job that runs the task once; raises what creating a job raises.

    The task's defaults are not sent: this program may have another version of the task than the executors.
    """
    name = task if isinstance(task, str) else task.name
    when = {} if at is None else {"scheduled_at": at}
    body = {"name": name, "task": name, **when, **without_unset(payload=payload), **(fields or {})}
    request = once("/api/job", body, idempotency_key)
    job = yield from send_waiting(request, wait, Job.model_validate)
    return Enqueued(job, request, result_type(task))


def run_of(sent: Enqueued, timeout: float | None) -> Call[Run]:
    """The run of the job once it has ended; raises NoRun and WaitTimeout."""
    if sent.job.run is not None and sent.job.run.ended:
        return sent.job.run
    deadline, pause = (yield from deadline_of(timeout)), FIRST_PAUSE
    while True:
        left = deadline - (yield Now())
        run, ahead = yield from _state(sent, max(0.001, min(left, LONGEST_WAIT)))
        if run is not None and run.ended:
            return run
        if left <= 0:
            state = "has no run" if run is None else f"is {run.status}"
            raise WaitTimeout(f"job {sent.job.id} {state} after {timeout:g} s", run)
        yield Sleep(min(ahead or pause, left))
        pause = min(pause * 2, LONGEST_PAUSE)


def _state(sent: Enqueued, hold: float) -> Call[tuple[Run | None, float]]:
    """The run when it has ended, or after that time; and for how long there is nothing to ask. Raises NoRun."""
    try:
        answer = yield replace(sent.request, query=wait_query(hold), held=hold)
    except ApiError as error:
        if isinstance(error, Invalid) and "/scheduled_at" in error.errors:
            return None, _ahead(sent.job)
        if not refuses_to_wait(error):
            raise
        return (yield from _recorded_run((yield Request("GET", path_of("job", sent.job))))), 0.0
    if answer.get("run") is not None:
        return Run.model_validate(answer["run"]), 0.0
    return (yield from _recorded_run(answer)) if answer["status"] in _ENDED else None, 0.0


def _recorded_run(job: Mapping[str, Any]) -> Call[Run | None]:
    """The run of a job whose state was read before, as it is now; raises NoRun if there will be none."""
    runs = yield Request("GET", path_of("job", job["id"], "runs"), {"limit": 1})
    if runs["items"]:
        return Run.model_validate(runs["items"][0])
    if job["status"] in _ENDED:
        raise NoRun(f"job {job['id']} is {job['status']} and has no run")
    return None


def _ahead(job: Job) -> float:
    """How long to sleep before a job that is due later; short, because this clock may differ from the server's."""
    return min(max((job.scheduled_at - datetime.now(UTC)) / timedelta(seconds=2), 0.5), _LONGEST_SLEEP)


def cancel(sent: Enqueued, reason: str | None) -> Call[None]:
    """Delete the job, so that a run that has not started is cancelled, and ask one that is running to stop."""
    yield from delete(sent.job)
    try:
        run, _ = yield from _state(sent, 0.001)
    except NoRun:
        return
    if run is not None and not run.ended:
        yield from cancel_run(run, reason=reason)


def result_type(task: "TaskFunction[..., Any, Any] | str") -> Any:
    """The annotation of what the task returns; Any without one, or if it cannot be read here."""
    try:
        return Any if isinstance(task, str) else typing.get_type_hints(task.function).get("return", Any)
    except Exception:  # a name that only type checkers import
        return Any


def result_of(sent: Enqueued, run: Run) -> Any:
    """The result as the type that the task returns.

    Raises RunFailed, RunCancelled or RunSkipped, and UnexpectedResult if an executor with another version of the task
    has returned something else.
    """
    result = outcome(run).result
    try:
        return TypeAdapter(sent.result_type).validate_json(json.dumps(result))
    except ValidationError as error:
        raise UnexpectedResult(f"the result of run {run.id} is no {sent.result_type}: {error}", run) from None
