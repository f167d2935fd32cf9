"""What the OpenAPI page says of answers. Answers are made by `views`; the tests compare each with what is said here."""

from collections.abc import Iterable
from dataclasses import is_dataclass
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, WithJsonSchema, create_model

from duebook_api.schemas import views
from duebook_common.domain.definition import Definition
from duebook_common.domain.job.state import JobStatus
from duebook_common.domain.run import state as run_state

T = TypeVar("T")

Duration = Annotated[str, WithJsonSchema({"type": "string", "format": "duration"})]


class Items(BaseModel, Generic[T]):
    items: list[T]


class Page(Items[T], Generic[T]):
    """One page of a list; `next_cursor` is the `cursor` of the next one, and null on the last."""

    next_cursor: str | None


def _answer_type(hint: Any) -> Any:
    """The type of a field as answers have it: a dataclass becomes a model whose fields are all required."""
    if isinstance(hint, type) and is_dataclass(hint):
        return create_model(hint.__name__, **_answer_fields(hint))
    if get_origin(hint) in {Union, UnionType}:
        return reduce(or_, map(_answer_type, get_args(hint)))
    return hint


def _answer_fields(domain: Any, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Definitions for `create_model` of the fields of a domain class, by default of all."""
    hints = get_type_hints(domain)
    return {name: (_answer_type(hints[name]), ...) for name in names or hints}


_JobFields: Any = create_model("_JobFields", id=UUID, **_answer_fields(Definition))
_RunFields: Any = create_model("_RunFields", id=UUID, **_answer_fields(run_state.Run, views.RUN_FIELDS))


class Job(_JobFields):
    """A job with every effective default."""

    status: JobStatus
    next_due_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: int
    warnings: list[str]
    reason: str | None = Field(None, description="Why it is paused, where somebody said it.")


class Run(_RunFields):
    reason: str | None = Field(None, description="Why it waits, was skipped, cancelled or discarded.")


class Event(BaseModel):
    """One fact of the log; `position` is its place in it."""

    position: str
    stream: str
    version: int
    type: str
    data: dict[str, Any]
    meta: dict[str, Any]
    recorded_at: AwareDatetime


class Feed(Page[Event]):
    """`position` is where to go on `after`; null while there is no event at all."""

    position: str | None


class LogEntry(BaseModel):
    """One thing that happened to an attempt, or a line that its task wrote."""

    id: str
    job_id: UUID
    run_id: UUID
    attempt: int | None
    status: Literal["started", "completed", "failed", "lost", "released", "cancelled", "dead_lettered", "log"]
    message: str
    logged_at: AwareDatetime


class DeadLetterEvent(BaseModel):
    """A death or a redrive in a dead letter's past."""

    event: Literal["RunDeadLettered", "RunRedriven"]
    at: AwareDatetime
    actor: str
    failures: int | None = None
    error: str | None = None
    dispatch: int | None = None
    reason: str | None = None
    own_payload: bool | None = None


class DeadLetter(Run):
    """A run that was given up, with what a person needs to judge it."""

    attempts: int
    payload: Any
    dead_lettered_at: AwareDatetime
    age: Duration
    fingerprint: str
    lineage: list[DeadLetterEvent]


class Group(BaseModel):
    """Dead letters of one error; `error` is the latest one's."""

    fingerprint: str
    task: str
    error: str
    count: int
    oldest: AwareDatetime
    newest: AwareDatetime


class RedriveSummary(BaseModel):
    matched: int
    redriven: int
    invalid: int


class LedgerEntry(BaseModel):
    """A nominal time; `outcome` is its run's status, `due` where the scheduler has yet to decide, or `unaccounted`."""

    nominal_at: AwareDatetime
    outcome: str
    run_id: UUID | None
    reason: str | None


class Ledger(Page[LedgerEntry]):
    """The totals are those of the whole range, on each page."""

    expected: int
    recorded: int
    unaccounted: int
    due: int = Field(description="Times that have come, and that the scheduler has yet to decide.")


class Because(BaseModel):
    """A cause: what holds now where `at` is null; `run_id` where it is about another run."""

    at: AwareDatetime | None
    says: str
    event: str | None
    run_id: UUID | None = None


class Why(BaseModel):
    answer: str
    because: list[Because]


class Preview(BaseModel):
    times: list[AwareDatetime]
    description: str
    notes: list[str]


class Hour(BaseModel):
    at: AwareDatetime
    runs: int


class Peak(BaseModel):
    runs: int
    at: AwareDatetime | None


class Peaks(BaseModel):
    mean: Peak
    p95: Peak
    hours_looked_at: int | Literal["all"]


class QueueForecast(BaseModel):
    queue: str
    runs: int
    peak: Peaks
    unmeasured_jobs: int


class AffectedJob(BaseModel):
    job_id: UUID | None
    name: str
    falls_in: Literal["gap", "fold"]
    does: str


class ClockChange(BaseModel):
    at: AwareDatetime
    timezone: str
    says: str
    jobs_hit: int
    jobs: list[AffectedJob]


class NominalTime(BaseModel):
    nominal_at: AwareDatetime
    job_id: UUID | None
    name: str


class NominalTimes(BaseModel):
    count: int
    times: list[NominalTime]


class Forecast(BaseModel):
    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    jobs: int
    runs: int
    hours: list[Hour]
    queues: list[QueueForecast]
    clock_changes: list[ClockChange]
    added: NominalTimes | None = Field(None, description="Only with `changes`.")
    removed: NominalTimes | None = Field(None, description="Only with `changes`.")
