"""What a request may say of a job, checked field by field, and the definition that it makes."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from duebook_api.fields import (
    Address,
    Body,
    DstBody,
    Given,
    Instant,
    Name,
    No,
    Nothing,
    Positive,
    Queue,
    Share,
    Tag,
    Task,
    Zone,
    one_of,
)
from duebook_api.schedules import DST, NO_RECURRENCE, RecurrenceField
from duebook_common.domain.definition import Backoff, CatchUp, Definition, Notify, Outcome, Overlap
from duebook_common.durations import Duration


class BackoffBody(Body):
    initial: Positive = Backoff().initial
    factor: float = Field(2, ge=1, le=1000, allow_inf_nan=False)
    max: Positive = Backoff().max
    jitter: Share = 0.2

    @cached_property
    def value(self) -> Backoff:
        return Backoff(self.initial, self.factor, self.max, self.jitter)


class CatchUpBody(Body):
    policy: Annotated[Literal["latest", "none"], one_of("latest", "none")] = "latest"
    window: Duration = CatchUp().window

    @cached_property
    def value(self) -> CatchUp:
        return CatchUp(self.policy, self.window)


class NotifyBody(Body):
    to: list[Address] = Field(default_factory=list, max_length=100)
    on: list[Annotated[Outcome, one_of("succeeded", "dead_lettered", "attempt_failed", "cancelled", "skipped")]] = (
        Field(["succeeded", "dead_lettered"], max_length=5)
    )

    @cached_property
    def value(self) -> Notify:
        return Notify(tuple(self.to), tuple(self.on))


# By a factory: pydantic would make a deep copy of a default, and that is half of the cost of reading a job.
_BACKOFF, _CATCH_UP, _NOTIFY = BackoffBody(), CatchUpBody(), NotifyBody()


class JobBody(Body):
    """A job as a client asks for it."""

    name: Name
    task: Task = "log"
    payload: Any = Field(default_factory=dict)
    scheduled_at: Given = None
    recurrence: RecurrenceField = Field(default_factory=lambda: NO_RECURRENCE)
    timezone: Zone = "UTC"
    dst: DstBody = Field(default_factory=lambda: DST)
    ends_at: Instant | None = None
    max_runs: Nothing = None
    max_retries: int = Field(3, ge=0, le=1000)
    backoff: BackoffBody = Field(default_factory=lambda: _BACKOFF)
    timeout: Positive = timedelta(minutes=5)
    start_within: Positive | None = None
    jitter: Nothing = None
    pause_on_failure: No = False
    overlap: Annotated[Literal["skip", "allow_all"], one_of("skip", "allow_all")] = "skip"
    catch_up: CatchUpBody = Field(default_factory=lambda: _CATCH_UP)
    queue: Queue = "default"
    priority: int = Field(4, ge=0, le=9)
    concurrency: Nothing = None
    notify: NotifyBody = Field(default_factory=lambda: _NOTIFY)
    tags: list[Tag] = Field(default_factory=list, max_length=100)
    metadata: dict[str, Any] = Field(default_factory=dict)

    def definition(self, otherwise_at: datetime) -> Definition:
        """The definition with every default; `otherwise_at` is the time of a job that names none."""
        return Definition(
            name=self.name,
            scheduled_at=self.scheduled_at or otherwise_at,
            task=self.task,
            payload=self.payload,
            recurrence=self.recurrence.value,
            timezone=self.timezone,
            dst=self.dst.value,
            ends_at=self.ends_at,
            max_retries=self.max_retries,
            backoff=self.backoff.value,
            timeout=self.timeout,
            start_within=self.start_within,
            overlap=_OVERLAP[self.overlap],
            catch_up=self.catch_up.value,
            queue=self.queue,
            priority=self.priority,
            notify=self.notify.value,
            tags=tuple(self.tags),
            metadata=self.metadata,
        )


_OVERLAP = {member.value: member for member in Overlap}


class BatchBody(Body):
    jobs: list[JobBody] = Field(min_length=1, max_length=1_000)


class ReasonBody(Body):
    """Why, in a person's words; may be left out."""

    reason: Annotated[str, Field(max_length=2_000)] | None = None


class MustReasonBody(Body):
    reason: str = Field(min_length=1, max_length=2_000, pattern=r"\S")


class TriggerBody(Body):
    payload: Any = None
    overlap: Annotated[Literal["skip", "allow_all"], one_of("skip", "allow_all")] = "allow_all"


class RedriveBody(MustReasonBody):
    payload: Any = None


class DeadLetterFilter(Body):
    job_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")] | None = None
    task: Task | None = None
    queue: Queue | None = None
    fingerprint: Annotated[str, Field(max_length=200)] | None = None


class RedriveManyBody(MustReasonBody):
    filter: DeadLetterFilter
    rate: float | None = Field(None, ge=0.001, le=100_000, allow_inf_nan=False)
    dry_run: bool = False
