"""One-off jobs that are sent and awaited: a task, its payload, and its result."""

import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from pydantic import TypeAdapter, ValidationError

from duebook.client.errors import Invalid, NoRun, UnexpectedResult, WaitTimeout
from duebook.client.fields import Duration, Time
from duebook.client.jobs import delete, once
from duebook.client.models import Job, Run
from duebook.client.runs import cancel as cancel_run
from duebook.client.runs import deadline_of, outcome, wait_query
from duebook.client.steps import Call, Now, Sleep
from duebook.client.unset import UNSET, without_unset
from duebook.client.wire import Request

if TYPE_CHECKING:
    from duebook.tasks import TaskFunction

_LONGEST_WAIT = 30.0  # seconds that one request may be kept back
_PAUSE, _LONGEST_PAUSE = 0.1, 60.0  # seconds


class EnqueueFields(TypedDict, total=False):
    """The fields of a one-off job; the task's own defaults apply to those that are left out."""

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
) -> Call[Enqueued]:
    """Create a job that runs the task once; raises what creating a job raises."""
    name = task if isinstance(task, str) else task.name
    defaults = {} if isinstance(task, str) else task.defaults.json()
    when = {} if at is None else {"scheduled_at": at}
    body = {"name": name, "task": name, **defaults, **when, **without_unset(payload=payload), **(fields or {})}
    request = once("/api/job", body, idempotency_key)
    return Enqueued(Job.model_validate((yield request)), request, result_type(task))


def run_of(sent: Enqueued, timeout: float | None) -> Call[Run]:
    """The run of the job once it has ended; raises NoRun and WaitTimeout."""
    deadline, run = (yield from deadline_of(timeout)), None
    while True:
        left = deadline - (yield Now())
        try:
            run = yield from _state(sent.request, max(0.001, min(left, _LONGEST_WAIT)))
            pause = _PAUSE
        except Invalid as error:
            if "/scheduled_at" not in error.errors:
                raise
            pause = _ahead(sent.job)
        if run is not None and run.ended:
            return run
        if left <= 0:
            state = "has no run" if run is None else f"is {run.status}"
            raise WaitTimeout(f"job {sent.job.id} {state} after {timeout:g} s", run)
        yield Sleep(min(pause, left))


def _state(request: Request, hold: float) -> Call[Run | None]:
    """The run when it has ended, or after that time; raises NoRun if there will be none."""
    answer = yield replace(request, query=wait_query(hold), held=hold)
    if answer.get("run") is not None:
        return Run.model_validate(answer["run"])
    if answer["next_due_at"] is None and answer["status"] in {"deleted", "finished"}:
        raise NoRun(f"job {answer['id']} is {answer['status']} and has no run")
    return None


def _ahead(job: Job) -> float:
    """How long to sleep before a job that is due later; short, because this clock may differ from the server's."""
    return min(max((job.scheduled_at - datetime.now(UTC)) / timedelta(seconds=2), 0.5), _LONGEST_PAUSE)


def cancel(sent: Enqueued, reason: str | None) -> Call[None]:
    """Delete the job, so that a run that has not started is cancelled, and ask one that is running to stop."""
    yield from delete(sent.job)
    try:
        run = yield from _state(sent.request, 0.001)
    except (Invalid, NoRun):
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
