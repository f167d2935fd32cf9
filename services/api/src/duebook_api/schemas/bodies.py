"""What a request may say of a job, checked field by field, and the definition that it makes."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator

from duebook_api.http.fields import (
    Address,
    Body,
    DstBody,
    Given,
    Instant,
    MaxRuns,
    Name,
    Positive,
    Queue,
    Share,
    Tag,
    Task,
    Zone,
    one_of,
)
from duebook_api.schemas.schedules import DST, NO_RECURRENCE, RecurrenceField
from duebook_common.domain.definition import Backoff, CatchUp, Concurrency, Definition, Notify, Outcome, Overlap
from duebook_common.runtime.durations import Duration


class BackoffBody(Body):
    initial: Positive = Backoff().initial
    factor: float = Field(2, ge=1, le=1000, allow_inf_nan=False)
    max: Positive = Backoff().max
    jitter: Share = 0.2

    @cached_property
    def value(self) -> Backoff:
        return Backoff(self.initial, self.factor, self.max, self.jitter)


class CatchUpBody(Body):
    policy: Annotated[Literal["latest", "all", "none"], one_of("latest", "all", "none")] = "latest"
    window: Duration = CatchUp().window

    @cached_property
    def value(self) -> CatchUp:
        return CatchUp(self.policy, self.window)


class ConcurrencyBody(Body):
    key: str = Field(min_length=1, max_length=200)
    limit: int = Field(1, ge=1, le=100_000)

    @cached_property
    def value(self) -> Concurrency:
        return Concurrency(self.key, self.limit)


class NotifyBody(Body):
    to: list[Address] = Field(default_factory=list, max_length=100)
    on: list[Annotated[Outcome, one_of(*get_args(Outcome))]] = Field(["succeeded", "dead_lettered"], max_length=6)

    @cached_property
    def value(self) -> Notify:
        return Notify(tuple(self.to), tuple(self.on))


_OVERLAP = {member.value: member for member in Overlap}
OverlapField = Annotated[
    Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"], one_of(*_OVERLAP)
]

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
    max_runs: MaxRuns | None = None
    max_retries: int = Field(3, ge=0, le=1000)
    backoff: BackoffBody = Field(default_factory=lambda: _BACKOFF)
    timeout: Positive = timedelta(minutes=5)
    start_within: Positive | None = None
    jitter: Positive | None = None
    pause_on_failure: bool = False
    overlap: OverlapField = "skip"
    catch_up: CatchUpBody = Field(default_factory=lambda: _CATCH_UP)
    queue: Queue = "default"
    priority: int = Field(4, ge=0, le=9)
    concurrency: ConcurrencyBody | None = None
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
            max_runs=self.max_runs,
            max_retries=self.max_retries,
            backoff=self.backoff.value,
            timeout=self.timeout,
            start_within=self.start_within,
            jitter=self.jitter,
            pause_on_failure=self.pause_on_failure,
            overlap=_OVERLAP[self.overlap],
            catch_up=self.catch_up.value,
            queue=self.queue,
            priority=self.priority,
            concurrency=self.concurrency.value if self.concurrency is not None else None,
            notify=self.notify.value,
            tags=tuple(self.tags),
            metadata=self.metadata,
        )


class BatchBody(Body):
    jobs: list[JobBody] = Field(min_length=1, max_length=1_000)


class ReasonBody(Body):
    """Why, in a person's words; may be left out."""

    reason: Annotated[str, Field(max_length=2_000)] | None = None


class MustReasonBody(Body):
    reason: str = Field(min_length=1, max_length=2_000, pattern=r"\S")


class TriggerBody(Body):
    payload: Any = None
    overlap: OverlapField = "allow_all"


class BackfillBody(Body):
    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    overlap: OverlapField = "buffer_all"

    @field_validator("end")
    @classmethod
    def _later(cls, end: datetime, info: ValidationInfo) -> datetime:
        if "start" in info.data and end <= info.data["start"]:
            raise ValueError("this must be later than `from`")
        return end


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
