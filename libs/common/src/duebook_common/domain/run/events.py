"""The events of a run's stream, from its first event to its end.

The names and fields of the events are the storage format: add fields with defaults, never rename.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Backoff, Concurrency, Notify, Rate

ERASED = "erased"  # the text of an error whose contents were erased


def stream(run_id: UUID) -> str:
    return f"run-{run_id}"


class Trigger(StrEnum):
    SCHEDULE = "schedule"
    MANUAL = "manual"
    CATCH_UP = "catch_up"
    BACKFILL = "backfill"
    RERUN = "rerun"
    FOLLOW_UP = "follow_up"


# Runs with these triggers advance the job's schedule; other runs leave it as it is.
BY_SCHEDULE = frozenset({Trigger.SCHEDULE, Trigger.CATCH_UP})


_BACKOFF, _NOTIFY = Backoff(), Notify()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The fields of every first event: the occurrence, and the definition in force at the dispatch.

    The table `events` leaves out what equals a default, the job's id and a `due_at` that is the nominal time.
    """

    job_id: UUID
    job_name: str
    job_version: int = 1
    definition_at: int = 1  # the version of the job's stream that holds the definition
    task: str = "log"
    queue: str = "default"
    priority: int = 4
    nominal_at: datetime
    due_at: datetime
    trigger: Trigger = Trigger.SCHEDULE
    max_attempts: int = 4
    backoff: Backoff = _BACKOFF
    notify: Notify = _NOTIFY
    concurrency: Concurrency | None = None
    rate: Rate | None = None
    pause_on_failure: bool = False
    cause: UUID | None = None  # the run that it repeats or follows, or the bulk operation that triggered it
    next_at: datetime | None = None  # the job's next nominal time after this one
    next_due_at: datetime | None = None  # when that is due, where jitter makes it later
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Startable(Identity):
    """The further fields of a first event whose run is to be executed."""

    start_by: datetime | None = None
    wake_at: datetime
    payload: Any = None  # counts if `own_payload` is set; otherwise the definition's payload does
    own_payload: bool = False
    request_hash: str | None = None
    resumed_at: datetime | None = None  # the end of the pause that kept it back, or behind whose backlog it waits


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDispatched(Startable):
    """The run is to start. `dispatch` 0: the scheduler sends the first message at `wake_at`."""

    dispatch: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBuffered(Startable):
    """The run waits for other runs of its job (`reason` overlap), for a slot of its concurrency key (`concurrency`),
    for its rate (`rate`), for an executor of its queue that has its task (`task`), or for the resume of its queue
    (`queue`).

    `backlog`: it waits its turn behind caught-up runs, or as one of them, whatever the overlap policy. `held`: its job
    is held; with `reason` paused it waits for nothing else.
    """

    reason: str
    backlog: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSkipped(Identity):
    """The occurrence gets no run, for one reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunExpired:
    """`start_within` passed before an attempt started, so the run is skipped."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequeued:
    """The run is sent again, under the next dispatch number."""

    dispatch: int
    wake_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDeferred:
    """The run waits for an executor of its queue that has its task (`reason` task), for the resume of its queue
    (`queue`), or for its rate (`rate`). Does not count as a failure.

    `executor`: the one that received the run and could not start it; None if the run was not sent.
    """

    executor: str | None
    wake_at: datetime
    reason: str = "task"
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeld:
    """The run's job was paused with `hold`: no attempt starts until the job is resumed; a running one goes on."""

    not_before: datetime | None = None  # when its next attempt was due, if that lay ahead
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """The job of a held run was resumed. `wake_at`: when the run is due again, None while an attempt is running."""

    wake_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    """An executor started an attempt."""

    attempt: int
    executor: str
    wake_at: datetime  # the end of its lease, unless the executor renews it
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSucceeded:
    """The task returned a result."""

    attempt: int
    result: Any = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """The task failed. Without `retry_at` no further attempt follows."""

    attempt: int
    error: str = ERASED
    failures: int
    retry_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLost:
    """The executor has ended, or did not renew the lease in time; `error` says which. Counts as a failure."""

    attempt: int
    error: str = ERASED
    failures: int
    retry_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReleased:
    """The executor handed the attempt back: it was stopping, or had no slot for it. Does not count as a failure."""

    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelRequested:
    """A client, or an overlap policy, asked a running attempt to stop."""

    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled:
    """The run ended by a cancellation.

    `attempt` is the one that was stopped, if one was running; if it was `given_up`, its code may still be running.
    """

    attempt: int | None
    given_up: bool = False
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDeadLettered:
    """The run is given up. By `wake_at` the message of `dispatch` must have been rejected."""

    dispatch: int
    failures: int
    error: str = ERASED
    fingerprint: str = ERASED
    wake_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRedriven:
    """The run is due again at once; with `waits` once its concurrency key and rate allow it."""

    max_attempts: int
    reason: str | None
    payload: Any = None
    own_payload: bool = False
    waits: bool = False
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDiscarded:
    """An operator closed a dead letter without a retry."""

    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunErased:
    """The run's contents were erased: what the fields of its events held that `frame_of()` in the schema leaves out."""

    reason: str | None
    at: datetime


FirstEvent = RunDispatched | RunBuffered | RunSkipped

RunEvent = (
    RunDispatched
    | RunBuffered
    | RunSkipped
    | RunExpired
    | RunRequeued
    | RunDeferred
    | RunHeld
    | RunResumed
    | AttemptStarted
    | AttemptSucceeded
    | AttemptFailed
    | AttemptLost
    | AttemptReleased
    | RunCancelRequested
    | RunCancelled
    | RunDeadLettered
    | RunRedriven
    | RunDiscarded
    | RunErased
)


@dataclass(frozen=True, slots=True)
class RunFact:
    """An event of a run that a decision about its job appends."""

    run_id: UUID
    event: RunEvent
