"""What the API answers, as types. Times are `datetime` in UTC, durations `timedelta`, ids `UUID`.

A field that a later server adds is kept as an attribute, so that an older client goes on working.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

ENDED = frozenset({"succeeded", "dead_lettered", "cancelled", "skipped", "discarded"})


class Model(BaseModel):
    """The base of all answers."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


class Dst(Model):
    """What happens to a local time that a DST transition skips (`gap`) or repeats (`fold`)."""

    gap: str
    fold: str


class Backoff(Model):
    """The delays between attempts; `jitter` is the share by which each varies."""

    initial: timedelta
    factor: float
    max: timedelta
    jitter: float


class CatchUp(Model):
    """Which missed occurrences run late, and how far back."""

    policy: str
    window: timedelta


class Notify(Model):
    """Who gets mails, and about which outcomes."""

    to: Sequence[str]
    on: Sequence[str]


class Job(Model):
    """A job with every effective default."""

    id: UUID
    name: str
    task: str
    payload: Any
    scheduled_at: datetime
    recurrence: str | dict[str, str]
    timezone: str
    dst: Dst
    ends_at: datetime | None
    max_runs: int | None
    max_retries: int
    backoff: Backoff
    timeout: timedelta
    start_within: timedelta | None
    jitter: timedelta | None
    pause_on_failure: bool
    overlap: str
    catch_up: CatchUp
    queue: str
    priority: int
    concurrency: dict[str, Any] | None
    notify: Notify
    tags: Sequence[str]
    metadata: dict[str, Any]
    rate: dict[str, Any] | None
    then: Sequence[dict[str, Any]]
    keep: timedelta | None
    key: str | None
    status: str
    """`active`, `paused`, `finished` or `deleted`."""
    next_due_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int
    """Counts changes of the definition; `if_match` of a change takes it."""
    warnings: Sequence[str]
    """What keeps its runs from starting at present, such as a task that no executor has."""
    reason: str | None = None
    held: bool = False
    erased_at: datetime | None = None
    run: "Run | None" = None
    """Only of a job that was created with `wait`: its run, None if it had not begun by then."""


class Progress(Model):
    """How far an attempt is, as its task has reported: a share from 0 to 1, and a text."""

    share: float | None
    text: str
    reported_at: datetime


class Run(Model):
    """One occurrence of a job that was carried out, is, or will be."""

    id: UUID
    job_id: UUID
    job_name: str
    job_version: int
    task: str
    nominal_at: datetime
    due_at: datetime
    status: str
    """`waiting dispatched running retrying`, or how it ended: `succeeded dead_lettered cancelled skipped discarded`."""
    attempt: int
    failures: int
    max_attempts: int
    queue: str
    executor: str | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    result: Any
    trigger: str
    reason: str | None = None
    cause: UUID | None = None
    erased_at: datetime | None = None
    payload: Any = None
    """Only of a single run, and for a key with the scope `payloads:read`."""
    progress: Progress | None = None
    archived: str | None = None
    """Of the last attempt, and only of a single run whose task has reported it."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens, unless a dead letter is redriven."""
        return self.status in ENDED


class DeadLetter(Run):
    """A dead-lettered run, with what an operator needs to decide about it."""

    attempts: int
    dead_lettered_at: datetime
    age: timedelta
    fingerprint: str
    lineage: Sequence[dict[str, Any]]
    """Its dead-letterings and redrives, oldest first."""


class Group(Model):
    """Dead letters with the same fingerprint; `error` is that of the latest one."""

    fingerprint: str
    task: str
    error: str
    count: int
    runs: int
    jobs: int
    oldest: datetime
    newest: datetime
    first_seen: datetime
    last_seen: datetime


class RedriveSummary(Model):
    """What became of dead letters that match a filter; `bulk` is the operation that redrives them."""

    matched: int
    redriven: int
    invalid: int
    bulk: UUID | None = None
    left: int = 0
    pending: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)


class Event(Model):
    """One event of the log. Continue after its `position`."""

    position: str
    stream: str
    version: int
    type: str
    data: dict[str, Any]
    meta: dict[str, Any]
    recorded_at: datetime


class LogEntry(Model):
    """An event of an attempt, or a line that its task has logged."""

    id: str
    job_id: UUID
    run_id: UUID
    attempt: int | None
    status: str
    message: str
    level: str | None = None
    """`debug info warning error`; only of a line that the task has logged."""
    fields: dict[str, Any] | None = None
    logged_at: datetime


class LedgerEntry(Model):
    """A nominal time. `outcome` is the status of its run, `due` before it is decided, or `unaccounted`."""

    nominal_at: datetime
    outcome: str
    run_id: UUID | None
    reason: str | None
    archived: str | None = None


class Because(Model):
    """A cause. Without `at` it holds now; `run_id` names the run that it is about, if that is another one."""

    at: datetime | None
    says: str
    event: str | None
    run_id: UUID | None = None


class Why(Model):
    """Why something ran, did not, or waits: the answer, and its causes in order."""

    answer: str
    because: Sequence[Because]


class Page(Model, Generic[T]):
    """One page of a list; `next_cursor` is the `cursor` of the next page, None on the last one."""

    items: Sequence[T]
    next_cursor: str | None


class Feed(Page[Event]):
    """Events after a position; continue after its `position`, which is None while the log is empty."""

    position: str | None


class Ledger(Page[LedgerEntry]):
    """Nominal times with their outcomes; the numbers are those of the whole range."""

    expected: int
    recorded: int
    unaccounted: int
    due: int
