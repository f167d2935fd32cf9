"""The events of a job's stream: the commands of people, ranges of skipped occurrences, and the end of the schedule.

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
    """A client created the job. The table `events` leaves out of the definition what equals a default."""

    definition: Definition
    next_at: datetime | None
    next_due_at: datetime | None = None  # set if jitter makes it later than `next_at`
    request_hash: str | None = None  # of the request that carried an Idempotency-Key
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChanged:
    """A client replaced the definition."""

    definition: Definition
    next_at: datetime | None
    next_due_at: datetime | None = None  # set if jitter makes it later than `next_at`
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPaused:
    """A client, or a dead letter, paused the job. With `hold` its runs are held too: none starts an attempt."""

    reason: str | None
    hold: bool = False
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResumed:
    """A client resumed the job, and its runs if they were held."""

    reason: str | None
    next_at: datetime | None
    next_due_at: datetime | None = None  # set if jitter makes it later than `next_at`
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeleted:
    """A client deleted the job."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobErased:
    """The contents of the job's definitions were erased. Those of its runs follow, each with an event `RunErased`."""

    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished:
    """The schedule names no further occurrence, or `max_runs` allows no further run.

    Not recorded where a one-off has its run: the first event of the run ends the schedule.
    """

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrencesSkipped:
    """The nominal times from `first` to `last`, both included, were skipped for one reason."""

    first: datetime
    last: datetime
    count: int
    reason: str
    next_at: datetime | None
    next_due_at: datetime | None = None  # set if jitter makes it later than `next_at`
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpRefused:
    """The end of the run `run_id`, its event `version`, was to trigger `job` by an entry of `then`, and did not."""

    run_id: UUID
    version: int
    entry: int
    job: str
    reason: str
    at: datetime


JobEvent = (
    JobCreated
    | JobChanged
    | JobPaused
    | JobResumed
    | JobDeleted
    | JobErased
    | JobFinished
    | OccurrencesSkipped
    | FollowUpRefused
)

Fact = JobEvent | RunFact  # a decision about a job appends to the job's stream and to the streams of its runs
