"""Request schemas of jobs, runs and dead letters."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeGuard, get_args

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator

from duebook_api.http.fields import (
    Address,
    Body,
    Instant,
    JobId,
    JobKey,
    Name,
    Positive,
    Queue,
    ReadAs,
    Reason,
    Share,
    Tag,
    Task,
    one_of,
)
from duebook_api.schemas.schedules import ScheduleFields
from duebook_common.domain.definition import (
    TASK_DEFAULTS,
    Backoff,
    CatchUp,
    Concurrency,
    Definition,
    FollowUp,
    Notify,
    Outcome,
    Overlap,
    Rate,
    RunEnd,
)
from duebook_common.runtime.durations import Duration

_SHORTEST_SPAN, _LONGEST_SPAN = timedelta(seconds=1), timedelta(days=1)
_QUEUE: TypeAdapter[str] = TypeAdapter(Queue)


def is_queue(value: Any) -> TypeGuard[str]:
    """Whether the value is the name of a queue."""
    try:
        return bool(_QUEUE.validate_python(value))
    except ValidationError:
        return False


class BackoffBody(Body):
    initial: Positive = Backoff().initial
    factor: float = Field(2, ge=1, le=1000, allow_inf_nan=False)
    max: Positive = Backoff().max
    jitter: Share = 0.2


class CatchUpBody(Body):
    policy: Annotated[Literal["latest", "all", "none"], one_of("latest", "all", "none")] = "latest"
    window: Duration = CatchUp().window


class ConcurrencyBody(Body):
    key: str = Field(min_length=1, max_length=200)
    limit: int = Field(1, ge=1, le=100_000)


def _span(value: timedelta) -> timedelta:
    if not _SHORTEST_SPAN <= value <= _LONGEST_SPAN:
        raise ValueError("the span of a rate must be at least PT1S and at most P1D")
    return value


class RateBody(Body):
    key: str = Field(min_length=1, max_length=200)
    limit: int = Field(ge=1, le=100_000)
    per: Annotated[Positive, AfterValidator(_span)] = timedelta(seconds=1)


_OUTCOME = Annotated[Outcome, one_of(*get_args(Outcome))]


class NotifyBody(Body):
    to: Annotated[tuple[str, ...], ReadAs(Annotated[list[Address], Field(max_length=100)], tuple)] = ()
    on: Annotated[tuple[Outcome, ...], ReadAs(Annotated[list[_OUTCOME], Field(max_length=6)], tuple)] = Notify().on


_RUN_END = Annotated[RunEnd, one_of(*get_args(RunEnd))]


class FollowUpBody(Body):
    job: JobId
    on: Annotated[tuple[RunEnd, ...], ReadAs(Annotated[list[_RUN_END], Field(min_length=1, max_length=5)], tuple)] = (
        FollowUp("").on
    )
    payload: Annotated[Literal["result"], one_of("result")] | None = None


_FOLLOW_UP = Annotated[FollowUp, ReadAs(FollowUpBody)]
_OVERLAP = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]
OverlapField = Annotated[Overlap, ReadAs(Annotated[_OVERLAP, one_of(*Overlap)], Overlap)]


class TaskFields(Body):
    """The fields of a job that define what a run does."""

    name: Name
    task: Task = "log"
    payload: Any = Field(default_factory=dict)


class JobBody(ScheduleFields, TaskFields):
    """A job as a client sends it."""

    # Pydantic takes the fields of the last base class first, so the order is that of `Definition`, but for `jitter`.
    max_retries: int = Field(3, ge=0, le=1000)
    backoff: Annotated[Backoff, ReadAs(BackoffBody)] = Backoff()
    timeout: Positive = timedelta(minutes=5)
    start_within: Positive | None = None
    pause_on_failure: bool = False
    overlap: OverlapField = Overlap.SKIP
    catch_up: Annotated[CatchUp, ReadAs(CatchUpBody)] = CatchUp()
    queue: Queue = "default"
    priority: int = Field(4, ge=0, le=9)
    concurrency: Annotated[Concurrency, ReadAs(ConcurrencyBody)] | None = None
    rate: Annotated[Rate, ReadAs(RateBody)] | None = None
    notify: Annotated[Notify, ReadAs(NotifyBody)] = Notify()
    then: Annotated[tuple[FollowUp, ...], ReadAs(Annotated[list[_FOLLOW_UP], Field(max_length=20)], tuple)] = ()
    keep: Positive | None = None
    key: JobKey | None = None
    tags: Annotated[tuple[str, ...], ReadAs(Annotated[list[Tag], Field(max_length=100)], tuple)] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)

    def definition(self, default_time: datetime) -> Definition:
        """The definition with every default; `default_time` is used if the body has no `scheduled_at`."""
        fields: dict[str, Any] = {**vars(self), "scheduled_at": self.scheduled_at or default_time}
        return Definition(**fields, left_out=self.left_out)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The fields that the client does not name, of those whose default a task may choose."""
        return tuple(name for name in TASK_DEFAULTS if name not in self.model_fields_set)


_BATCH = Field(min_length=1, max_length=1_000)


class BatchBody(Body):
    jobs: list[JobBody] = _BATCH


class BatchEnvelope(Body):
    """A batch whose jobs are validated one by one, until there are enough faults."""

    jobs: list[Any] = _BATCH


class NothingBody(Body):
    """No fields."""


class ReasonBody(Body):
    """An optional reason."""

    reason: Annotated[str, Field(max_length=2_000)] | None = None


class PauseBody(ReasonBody):
    """An optional reason, and `hold`: no run of the job that has not started starts before the resume."""

    hold: bool = False


class MustReasonBody(Body):
    """A mandatory reason."""

    reason: Reason


class TriggerBody(Body):
    payload: Any = None
    overlap: OverlapField = Overlap.ALLOW_ALL


class BackfillBody(Body):
    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    overlap: OverlapField = Overlap.BUFFER_ALL
    dry_run: bool = False

    @field_validator("end")
    @classmethod
    def _later(cls, end: datetime, info: ValidationInfo) -> datetime:
        if "start" in info.data and end <= info.data["start"]:
            raise ValueError("this must be later than `from`")
        return end


class RedriveBody(MustReasonBody):
    payload: Any = None


class DeadLetterFilter(Body):
    job_id: JobId | None = None
    task: Task | None = None
    queue: Queue | None = None
    fingerprint: Annotated[str, Field(max_length=200)] | None = None
    tag: Tag | None = None
    q: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    finished_from: Instant | None = None
    finished_to: Instant | None = None


class RedriveManyBody(MustReasonBody):
    filter: DeadLetterFilter
    rate: float | None = Field(None, ge=0.001, le=100_000, allow_inf_nan=False)
    limit: int | None = Field(None, ge=1, le=1_000_000_000)
    dry_run: bool = False
