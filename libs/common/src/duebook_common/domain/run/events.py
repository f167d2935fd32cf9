"""The events of a run's stream: everything that ever happens to one occurrence.

The names and fields of the events are the storage format: add fields with defaults, never rename.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Backoff, Concurrency, Notify
from duebook_common.domain.ids import uuid5


def stream(run_id: UUID) -> str:
    return f"run-{run_id}"


def run_id_at(job_id: UUID, nominal_at: datetime) -> UUID:
    """The run of a nominal time (UTC): the same occurrence always has the same run."""
    return uuid5(job_id, f"at:{nominal_at:%Y-%m-%dT%H:%M:%S.%fZ}")


def run_id_for(job_id: UUID, key: str) -> UUID:
    """The run of a manual trigger: the same key always has the same run."""
    return uuid5(job_id, f"key:{key}")


def run_id_of_backfill(job_id: UUID, nominal_at: datetime) -> UUID:
    """The run by which a past nominal time (UTC) is made up for: however often it is asked for, the same."""
    return uuid5(job_id, f"backfill:{nominal_at:%Y-%m-%dT%H:%M:%S.%fZ}")


class Trigger(StrEnum):
    SCHEDULE = "schedule"
    MANUAL = "manual"
    CATCH_UP = "catch_up"
    BACKFILL = "backfill"


# Those move the job's schedule on; the others stand beside it.
BY_SCHEDULE = frozenset({Trigger.SCHEDULE, Trigger.CATCH_UP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a run's first event says of the occurrence and of the definition in force."""

    job_id: UUID
    job_name: str
    job_version: int
    definition_at: int
    task: str
    queue: str
    priority: int
    nominal_at: datetime
    due_at: datetime
    trigger: Trigger
    max_attempts: int
    backoff: Backoff
    notify: Notify
    concurrency: Concurrency | None = None
    pause_on_failure: bool = False
    next_at: datetime | None  # the job's next nominal time after this one
    next_due_at: datetime | None = None  # when that is due, where jitter makes it later
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Startable(Identity):
    """What a run that is to be carried out has besides."""

    start_by: datetime | None
    wake_at: datetime
    payload: Any = None  # the run's own, where it is not the definition's
    own_payload: bool = False
    request_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDispatched(Startable):
    """`dispatch` 0 says that no message was sent yet: the poll does, at `wake_at`."""

    dispatch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBuffered(Startable):
    """The run waits: `reason` is `overlap` (other runs of its job) or `concurrency` (others with its key)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSkipped(Identity):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunExpired:
    """Its `start_within` passed before an attempt started: skipped rather than run late."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequeued:
    dispatch: int
    wake_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    attempt: int
    executor: str
    wake_at: datetime  # when its lease ends, unless the executor prolongs it
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSucceeded:
    attempt: int
    result: Any
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    attempt: int
    error: str
    failures: int
    retry_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLost:
    """The executor was silent for longer than its lease; charged like a failure."""

    attempt: int
    error: str
    failures: int
    retry_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReleased:
    """A stopping executor handed the attempt back; not charged."""

    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelRequested:
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled:
    attempt: int | None  # the attempt that was stopped, where one was running
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDeadLettered:
    """`dispatch` is the one by which the run died; at `wake_at` its message must have been rejected."""

    dispatch: int
    failures: int
    error: str
    fingerprint: str
    wake_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRedriven:
    """Due again at `wake_at`, or at once; with `waits` once its concurrency key has room."""

    max_attempts: int
    reason: str | None
    payload: Any = None
    own_payload: bool = False
    wake_at: datetime | None = None
    waits: bool = False
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDiscarded:
    reason: str | None
    at: datetime


FirstEvent = RunDispatched | RunBuffered | RunSkipped  # a run's first event

RunEvent = (
    RunDispatched
    | RunBuffered
    | RunSkipped
    | RunExpired
    | RunRequeued
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
)


@dataclass(frozen=True, slots=True)
class RunFact:
    """An event decided for a run's stream by whoever decides for its job."""

    run_id: UUID
    event: RunEvent
