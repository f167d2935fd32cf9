"""Bulk operations: the requests, and the answers about them."""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, PlainValidator, WithJsonSchema, model_validator

from duebook_api.http.fields import Body, Instant, JobId, Queue, Reason, Tag, Task, one_of
from duebook_common.domain.bulk.events import ON_JOBS, BulkAction, BulkFilter
from duebook_common.domain.bulk.progress import Progress, estimated_end, left
from duebook_common.domain.bulk.state import BulkStatus
from duebook_common.domain.run.events import Trigger
from duebook_common.store.bulk_rows import BulkRow
from duebook_common.store.bulk_targets import STATUSES

Rate = Annotated[float, Field(ge=0.001, le=100_000, allow_inf_nan=False)]
Most = Annotated[int, Field(ge=1, le=1_000_000_000)]
_MOST_STATUSES = 10
_OF_JOBS = ("status", "name", "task", "queue", "tag", "q")
_OF_RUNS = ("status", "job_id", "task", "queue", "tag", "q", "trigger", "executor", "due_from", "due_to")
_OF_DEAD_LETTERS = ("job_id", "task", "queue", "fingerprint", "tag", "q", "finished_from", "finished_to")


def _statuses(value: Any) -> tuple[str, ...]:
    statuses = [value] if isinstance(value, str) else value
    if not isinstance(statuses, list) or not all(isinstance(status, str) for status in statuses):
        raise ValueError("this must be a status, or a list of statuses")
    if not 0 < len(statuses) <= _MOST_STATUSES:
        raise ValueError(f"this must list 1 to {_MOST_STATUSES} statuses")
    return tuple(dict.fromkeys(statuses))


_STATUS = {"type": "string"}
_STATUSES = {"anyOf": [_STATUS, {"type": "array", "items": _STATUS, "minItems": 1, "maxItems": _MOST_STATUSES}]}


class BulkFilterBody(Body):
    """Which targets: every field that is sent must match. `{"all": true}` stands for all of them."""

    status: Annotated[tuple[str, ...] | None, PlainValidator(_statuses), WithJsonSchema(_STATUSES)] = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    job_id: JobId | None = None
    task: Task | None = None
    queue: Queue | None = None
    tag: Tag | None = None
    fingerprint: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    q: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    trigger: Annotated[str, one_of(*Trigger)] | None = None
    executor: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    due_from: Instant | None = None
    due_to: Instant | None = None
    finished_from: Instant | None = None
    finished_to: Instant | None = None
    all: Literal[True] | None = None


_ACTION = Literal["pause", "resume", "trigger", "delete", "cancel", "redrive", "discard"]


class BulkBody(Body):
    """One action on all targets that match. Only a dry run, which counts them, needs no reason."""

    action: Annotated[_ACTION, one_of(*BulkAction)]
    filter: BulkFilterBody
    reason: Reason | None = None
    rate: Rate | None = None
    limit: Most | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _must_have_a_reason(self) -> "BulkBody":
        if self.reason is None and not self.dry_run:
            raise ValueError("a bulk operation needs a `reason`; only a dry run needs none")
        return self


def filters_of(action: BulkAction) -> tuple[str, ...]:
    """The filters that fit the targets of the action."""
    if action in ON_JOBS:
        return _OF_JOBS
    return _OF_RUNS if action is BulkAction.CANCEL else _OF_DEAD_LETTERS


def faults_of(action: BulkAction, body: BulkFilterBody) -> dict[str, str]:
    """What is wrong with the filter for this action, by field; "" is the filter itself."""
    known, sent = filters_of(action), [name for name, value in body if value is not None]
    given = [name for name in sent if name != "all"]
    faults = {name: f"{action} has no such filter; it takes {', '.join(known)}" for name in given if name not in known}
    if not sent:
        faults[""] = 'an empty filter would match everything; send {"all": true} if that is meant'
    if body.all and given:
        faults["all"] = f"this stands for all targets, and {', '.join(given)} for some; send only one of them"
    if unfit := _unfit(action, body.status or ()):
        fit = ", ".join(STATUSES[action])
        faults.setdefault("status", f"{', '.join(unfit)}: {action} concerns only what is {fit}")
    return faults


def _unfit(action: BulkAction, statuses: Collection[str]) -> list[str]:
    return [status[:50] for status in statuses if status not in STATUSES[action]]


def to_filter(body: BaseModel) -> BulkFilter:
    """The filter of a body that has no faults."""
    sent = {name: value for name, value in body if value is not None}
    return BulkFilter(**{f.name: sent[f.name] for f in fields(BulkFilter) if f.name in sent})


class BulkOperation(BaseModel):
    """A bulk operation, who asked for it and why, and how far it has come."""

    id: str
    action: _ACTION
    filter: dict[str, Any]
    reason: str
    rate: float | None
    limit: int | None
    status: Literal["running", "aborted", "ended"]
    matched: int
    done: int
    refused: int
    reasons: dict[str, int]
    left: int
    requested_by: str
    requested_at: AwareDatetime
    estimated_end_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    aborted_by: str | None = None
    abort_reason: str | None = None
    outcomes: dict[str, int] | None = None


class BulkCount(BaseModel):
    """A dry run: how many targets match now."""

    matched: int


def view(row: BulkRow, now: datetime) -> dict[str, Any]:
    """The operation as clients see it."""
    bulk = row.bulk
    is_running = bulk.status is BulkStatus.RUNNING
    progress = row.progress or Progress()
    done, refused = (progress.done, progress.refused) if is_running else (bulk.done, bulk.refused)
    shown: dict[str, Any] = {
        "id": str(bulk.id),
        "action": bulk.action,
        "filter": filter_view(bulk.filter),
        "reason": bulk.reason,
        "rate": bulk.rate,
        "limit": bulk.limit,
        "status": bulk.status,
        "matched": bulk.matched,
        "done": done,
        "refused": sum(refused.values()),
        "reasons": dict(refused),
        "left": left(bulk, progress),
        "requested_by": bulk.requested_by,
        "requested_at": bulk.requested_at,
        "estimated_end_at": estimated_end(bulk, progress, now),
        "ended_at": bulk.ended_at,
    }
    if bulk.aborted_by is not None:
        shown |= {"aborted_by": bulk.aborted_by, "abort_reason": bulk.abort_reason}
    return shown


def filter_view(filter_: BulkFilter) -> dict[str, Any]:
    """The filter in the form in which clients send it."""
    values = {field.name: getattr(filter_, field.name) for field in fields(BulkFilter)}
    return {name: value for name, value in values.items() if value} or {"all": True}
