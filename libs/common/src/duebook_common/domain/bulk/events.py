"""The events of a bulk operation's stream: its request, and its end. What it does are events of runs and jobs.

The names and fields of the events are the storage format: add fields with defaults, never rename.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from duebook_common.domain.ids import uuid5


class BulkAction(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    TRIGGER = "trigger"
    DELETE = "delete"
    CANCEL = "cancel"
    REDRIVE = "redrive"
    DISCARD = "discard"


ON_JOBS = frozenset({BulkAction.PAUSE, BulkAction.RESUME, BulkAction.TRIGGER, BulkAction.DELETE})


def stream(bulk_id: UUID) -> str:
    return f"bulk-{bulk_id}"


def command_id(bulk_id: UUID, target: UUID) -> UUID:
    """The id of the command for one target, and of the run that it triggers: always the same, so done only once."""
    return uuid5(bulk_id, str(target))


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkFilter:
    """Which targets. Every field that is set must match; `status` lists alternatives. None set: all."""

    status: tuple[str, ...] = ()
    name: str | None = None
    job_id: str | None = None
    task: str | None = None
    queue: str | None = None
    tag: str | None = None
    fingerprint: str | None = None
    q: str | None = None  # the name or the error contains it, in capitals or not
    trigger: str | None = None
    executor: str | None = None
    due_from: datetime | None = None
    due_to: datetime | None = None
    finished_from: datetime | None = None
    finished_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequested:
    """A client asked for one action on all targets that match. `matched` is how many there were at that time."""

    action: BulkAction
    filter: BulkFilter
    reason: str
    rate: float | None = None  # targets a second
    limit: int | None = None  # targets at most, oldest first
    matched: int
    request_hash: str | None = None  # of the request that carried an Idempotency-Key
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAborted:
    """A client stopped the operation. What was done stays done."""

    reason: str | None = None
    done: int
    refused: dict[str, int] = field(default_factory=dict)  # how many targets, by the reason
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkEnded:
    """No further target matches, or the limit is reached."""

    done: int
    refused: dict[str, int] = field(default_factory=dict)  # how many targets, by the reason
    at: datetime


BulkEvent = BulkRequested | BulkAborted | BulkEnded
