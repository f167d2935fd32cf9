"""Schemas of the answers for the OpenAPI document. `views` makes the answers; the tests validate each by its schema."""

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
    """One page of a list; `next_cursor` is the `cursor` of the next page, null on the last one."""

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


def definition_fields() -> dict[str, Any]:
    """Definitions for `create_model` of the fields that a client may send of a job, as answers have them."""
    return _answer_fields(Definition, views.DEFINITION_FIELDS)


_JobFields: Any = create_model("_JobFields", id=UUID, **definition_fields())
_RunFields: Any = create_model("_RunFields", id=UUID, **_answer_fields(run_state.Run, views.RUN_FIELDS))


class Job(_JobFields):
    """A job with every effective default."""

    status: JobStatus
    next_due_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: int
    warnings: list[str]
    reason: str | None = Field(None, description="Why it is paused, if a reason was given.")
    held: bool = False
    erased_at: AwareDatetime | None = None


class ArchivedJob(BaseModel):
    """What is known of a job that has left the database for an archive."""

    id: UUID
    name: str
    task: str
    queue: str
    status: JobStatus
    created_at: AwareDatetime
    updated_at: AwareDatetime
    erased_at: AwareDatetime | None = None
    archived: str


class Run(_RunFields):
    reason: str | None = Field(None, description="Why it waits, was skipped, cancelled or discarded.")
    cause: UUID | None = Field(None, description="The run that it repeats, or the bulk operation that triggered it.")
    erased_at: AwareDatetime | None = None


class Progress(BaseModel):
    """How far the last attempt is, as its task has reported."""

    share: float | None
    text: str
    reported_at: AwareDatetime


class JobWithRun(Job):
    run: Run | None = None


class ErasedRun(Run):
    archived: str | None = None


class RunWithPayload(Run):
    payload: Any = Field(None, description="What its task got; only for keys with the scope `payloads:read`.")
    progress: Progress | None = None
    archived: str | None = None


class Event(BaseModel):
    """One event of the log; `position` is its order in the log."""

    position: str
    stream: str
    version: int
    type: str
    data: dict[str, Any]
    meta: dict[str, Any]
    recorded_at: AwareDatetime


class Feed(Page[Event]):
    """Continue `after` the `position`; it is null while the log is empty."""

    position: str | None


LogStatus = Literal["started", "completed", "failed", "lost", "released", "cancelled", "dead_lettered", "log"]


class LogEntry(BaseModel):
    """An event of an attempt, or a line that its task has logged."""

    id: str
    job_id: UUID
    run_id: UUID
    attempt: int | None
    status: LogStatus
    message: str
    level: Literal["debug", "info", "warning", "error"] | None = None
    fields: dict[str, Any] | None = None
    logged_at: AwareDatetime


class DeadLetterEvent(BaseModel):
    """A dead-lettering or a redrive in the lineage of a dead letter."""

    event: Literal["RunDeadLettered", "RunRedriven"]
    at: AwareDatetime
    actor: str
    failures: int | None = None
    error: str | None = None
    dispatch: int | None = None
    reason: str | None = None
    own_payload: bool | None = None


class DeadLetter(Run):
    """A dead-lettered run, with what an operator needs to decide about it."""

    attempts: int
    payload: Any
    dead_lettered_at: AwareDatetime
    age: Duration
    fingerprint: str
    lineage: list[DeadLetterEvent]


class Group(BaseModel):
    """Dead letters with the same fingerprint; `error` is that of the latest one.

    `runs`, which is `count`, and `jobs` count those that rest now, `oldest` and `newest` are of these. `first_seen` and
    `last_seen` are of all that ever had this fingerprint, also if they were redriven or discarded since.
    """

    fingerprint: str
    task: str
    error: str
    count: int
    runs: int
    jobs: int
    oldest: AwareDatetime
    newest: AwareDatetime
    first_seen: AwareDatetime
    last_seen: AwareDatetime


class RedriveSummary(BaseModel):
    matched: int
    redriven: int
    invalid: int
    bulk: UUID | None = None
    left: int = 0
    pending: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)


class LedgerEntry(BaseModel):
    """A nominal time. `outcome` is the status of its run, `due` before the scheduler has decided, or `unaccounted`."""

    nominal_at: AwareDatetime
    outcome: str
    run_id: UUID | None
    reason: str | None
    archived: str | None = None


class Ledger(Page[LedgerEntry]):
    """Each page has the totals of the whole range."""

    expected: int
    recorded: int
    unaccounted: int
    due: int = Field(description="Past times that the scheduler has not decided yet.")


class LedgerNumbers(BaseModel):
    expected: int
    recorded: int
    due: int
    unaccounted: int
    retried: int
    caught_up: int
    outcomes: dict[str, int]


class LedgerStep(LedgerNumbers):
    """The nominal times of a day or a month."""

    date: str
    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")


class LedgerSummary(LedgerNumbers):
    """The ledger in numbers; the totals are those of all steps."""

    step: Literal["day", "month"]
    timezone: str
    items: list[LedgerStep]


class Because(BaseModel):
    """A cause. Without `at` it holds now; `run_id` names the run that it is about, if that is another one."""

    at: AwareDatetime | None
    says: str
    event: str | None
    run_id: UUID | None = None


class Why(BaseModel):
    answer: str
    because: list[Because]
