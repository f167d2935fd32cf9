"""The events of a job's stream: one for each human decision, for ranges of skipped occurrences, and for the end.

The names and fields of the events are the storage format: add fields with defaults, never rename.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.run.events import RunFact


def stream(job_id: UUID) -> str:
    return f"job-{job_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCreated:
    definition: Definition
    next_at: datetime | None
    next_due_at: datetime | None = None  # where jitter makes it later
    request_hash: str | None = None  # of the request that carried an Idempotency-Key
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChanged:
    definition: Definition
    next_at: datetime | None
    next_due_at: datetime | None = None  # where jitter makes it later
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPaused:
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResumed:
    reason: str | None
    next_at: datetime | None
    next_due_at: datetime | None = None  # where jitter makes it later
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeleted:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished:
    """The schedule names no further occurrence."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrencesSkipped:
    """The nominal times from `first` to `last`, both included, were left out, for one reason."""

    first: datetime
    last: datetime
    count: int
    reason: str
    next_at: datetime | None
    next_due_at: datetime | None = None  # where jitter makes it later
    at: datetime


JobEvent = JobCreated | JobChanged | JobPaused | JobResumed | JobDeleted | JobFinished | OccurrencesSkipped

Fact = JobEvent | RunFact  # one decision about a job records facts in its own stream and in those of its runs
