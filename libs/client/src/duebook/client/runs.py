"""The calls about runs. `client.runs.NAME(…)` performs them; each raises a subclass of `ClientError`."""

import math
from typing import Unpack

from duebook.client.errors import ApiError, RunCancelled, RunFailed, RunSkipped, WaitTimeout
from duebook.client.fields import RunFilters, RunRef, Time, query_of
from duebook.client.jobs import once
from duebook.client.listing import Listing
from duebook.client.models import LogEntry, Run, Why
from duebook.client.paths import name_of, path_of
from duebook.client.steps import Call, Now, Sleep, send
from duebook.client.waiting import LONGEST_WAIT, refuses_to_wait, wait_query
from duebook.client.wire import Request

FIRST_PAUSE, LONGEST_PAUSE = 0.005, 1.0  # seconds between polls


def get(run: RunRef, *, as_of: Time | None = None) -> Call[Run]:
    """The run now, or as it stood at `as_of`; raises NotFound."""
    return send(Request("GET", path_of("run", run), {"as_of": as_of}), Run.model_validate)


def list_runs(**filters: Unpack[RunFilters]) -> Listing[Run]:
    """The runs, newest first, page after page."""
    return Listing("/api/run", query_of(filters), Run, filters.get("limit"))


def wait(run: RunRef, *, timeout: float | None = None) -> Call[Run]:
    """The run once it has ended, however it ended. Without a `timeout` (seconds) this waits for ever.

    Raises WaitTimeout, whose `run` is the last state; the run itself goes on.
    """
    deadline, pause = (yield from deadline_of(timeout)), FIRST_PAUSE
    while True:
        left = deadline - (yield Now())
        state = yield from _state(run, max(0.0, min(left, LONGEST_WAIT)))
        if state.ended:
            return state
        if left <= 0:
            raise WaitTimeout(f"run {state.id} is {state.status} after {timeout:g} s", state)
        yield Sleep(min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE)


def _state(run: RunRef, hold: float) -> Call[Run]:
    """The run when it has ended, or after that time; at once if the server lets no further request wait."""
    path = path_of("run", run)
    try:
        return (yield from send(Request("GET", path, wait_query(hold), held=hold), Run.model_validate))
    except ApiError as error:
        if not refuses_to_wait(error):
            raise
    return (yield from send(Request("GET", path), Run.model_validate))


def deadline_of(timeout: float | None) -> Call[float]:
    """The time of the clock at which a timeout ends."""
    return math.inf if timeout is None else (yield Now()) + timeout


def outcome(run: Run) -> Run:
    """The run if it has succeeded; raises RunFailed, RunCancelled or RunSkipped."""
    if run.status == "succeeded":
        return run
    kinds: dict[str, type[RunFailed | RunCancelled | RunSkipped]] = {
        "dead_lettered": RunFailed,
        "cancelled": RunCancelled,
        "discarded": RunCancelled,
        "skipped": RunSkipped,
    }
    cause = run.error or run.reason
    message = f"run {run.id} is {run.status}"
    raise kinds.get(run.status, RunSkipped)(f"{message}: {cause}" if cause else message, run)


def cancel(run: RunRef, *, reason: str | None = None) -> Call[Run]:
    """Cancel the run. If it has not started, it is cancelled at once; a running one is asked to stop.

    A second time changes nothing. Raises Conflict if the run has ended otherwise.
    """
    return send(Request("POST", path_of("run", run, "cancel"), body={"reason": reason}), Run.model_validate)


def rerun(run: RunRef, *, idempotency_key: str | None = None) -> Call[Run]:
    """Start a new run with the payload of one that has ended, once. Raises Conflict if it has not ended."""
    return send(once(path_of("run", run, "rerun"), {}, idempotency_key), Run.model_validate)


def why(run: RunRef) -> Call[Why]:
    """Why the run started, was left out, or waits."""
    return send(Request("GET", path_of("run", run, "why")), Why.model_validate)


def logs(run: RunRef, *, status: str | None = None, limit: int | None = None) -> Listing[LogEntry]:
    """What happened to the attempts and what the task wrote, newest first, page after page.

    `status="log"` leaves only the lines of the task.
    """
    return Listing("/api/job-log", {"run_id": name_of(run), "status": status}, LogEntry, limit)
