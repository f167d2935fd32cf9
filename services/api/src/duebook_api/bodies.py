"""What a request may say of a job, checked field by field, and the definition that it makes.

Strict: unknown fields, numbers in strings and times without an offset are refused.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from duebook_common.domain.definition import Backoff, CatchUp, Definition, Dst, Notify, Outcome, Overlap, Recurrence
from duebook_common.domain.occurrence import looks_like_address
from duebook_common.durations import Duration

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # short of the calendar's end, so that a zone's offset cannot pass it


def instant(value: Any) -> datetime:
    """An RFC 3339 time with its offset, as UTC."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("a time is written like 2026-11-24T02:00:00+01:00 (RFC 3339, with an offset)")
    time = datetime.fromisoformat(value.upper())
    try:
        time = time.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time lies between the years 1970 and 9998") from None
    if not _EARLIEST <= time < _LATEST:
        raise ValueError("a time lies between the years 1970 and 9998")
    return time


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("there is no such time zone; use an IANA name like Europe/Berlin")
    return name


def _address(text: str) -> str:
    if not looks_like_address(text) or not text.isprintable():
        raise ValueError("this is not an e-mail address")
    return text


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("this must be longer than PT0S")
    return value


def _one_of(*known: str) -> BeforeValidator:
    """Refuse what is not in the list, later versions' values included, by naming what this one knows."""

    def check(value: Any) -> Any:
        if value not in known if isinstance(value, str) else True:
            raise ValueError(f"this version knows {', '.join(known)}")
        return value

    return BeforeValidator(check)


def _not_yet(*nothing: Any) -> PlainValidator:
    def check(value: Any) -> Any:
        if not any(value is none for none in nothing):
            raise ValueError("this policy is not supported by this version")
        return value

    return PlainValidator(check)


Instant = Annotated[datetime, PlainValidator(instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Given = Annotated[datetime | None, PlainValidator(instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Positive = Annotated[Duration, AfterValidator(_positive), WithJsonSchema({"type": "string", "format": "duration"})]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Task = Annotated[str, Field(min_length=1, max_length=200)]
Tag = Annotated[str, Field(min_length=1, max_length=200)]
Queue = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Zone = Annotated[str, AfterValidator(_zone)]
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"type": "string", "format": "email"})]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Nothing = Annotated[None, _not_yet(None), WithJsonSchema({"type": "null"})]
No = Annotated[Literal[False], _not_yet(False), WithJsonSchema({"const": False})]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class DstBody(Body):
    gap: Literal["run_after", "skip"] = "run_after"
    fold: Literal["first", "second", "both"] = "first"

    @cached_property
    def value(self) -> Dst:
        return Dst(self.gap, self.fold)


class BackoffBody(Body):
    initial: Positive = Backoff().initial
    factor: float = Field(2, ge=1, le=1000, allow_inf_nan=False)
    max: Positive = Backoff().max
    jitter: Share = 0.2

    @cached_property
    def value(self) -> Backoff:
        return Backoff(self.initial, self.factor, self.max, self.jitter)


class CatchUpBody(Body):
    policy: Annotated[Literal["latest"], _one_of("latest")] = "latest"
    window: Duration = CatchUp().window

    @cached_property
    def value(self) -> CatchUp:
        return CatchUp(self.policy, self.window)


class NotifyBody(Body):
    to: list[Address] = Field(default_factory=list, max_length=100)
    on: list[Annotated[Outcome, _one_of("succeeded", "dead_lettered", "attempt_failed", "cancelled")]] = Field(
        ["succeeded", "dead_lettered"], max_length=4
    )

    @cached_property
    def value(self) -> Notify:
        return Notify(tuple(self.to), tuple(self.on))


# By a factory: pydantic would make a deep copy of a default, and that is half of the cost of reading a job.
_DST, _BACKOFF, _CATCH_UP, _NOTIFY = DstBody(), BackoffBody(), CatchUpBody(), NotifyBody()


class JobBody(Body):
    """A job as a client asks for it."""

    name: Name
    task: Task = "log"
    payload: Any = Field(default_factory=dict)
    scheduled_at: Given = None
    recurrence: Annotated[Recurrence, _one_of("none", "daily", "weekly")] = "none"
    timezone: Zone = "UTC"
    dst: DstBody = Field(default_factory=lambda: _DST)
    ends_at: Instant | None = None
    max_runs: Nothing = None
    max_retries: int = Field(3, ge=0, le=1000)
    backoff: BackoffBody = Field(default_factory=lambda: _BACKOFF)
    timeout: Positive = timedelta(minutes=5)
    start_within: Positive | None = None
    jitter: Nothing = None
    pause_on_failure: No = False
    overlap: Annotated[Literal["skip", "allow_all"], _one_of("skip", "allow_all")] = "skip"
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
            recurrence=self.recurrence,
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
    overlap: Annotated[Literal["skip", "allow_all"], _one_of("skip", "allow_all")] = "allow_all"


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
