"""The state of a bulk operation, folded from its events."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from duebook_common.domain.bulk.events import BulkAborted, BulkAction, BulkEnded, BulkEvent, BulkFilter, BulkRequested


class BulkStatus(StrEnum):
    RUNNING = "running"
    ABORTED = "aborted"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOperation:
    """A bulk operation after its events. `done` and `refused` count its targets once it is no longer running."""

    id: UUID
    version: int
    action: BulkAction
    filter: BulkFilter
    reason: str
    rate: float | None
    limit: int | None
    matched: int
    request_hash: str | None
    requested_by: str
    requested_at: datetime
    status: BulkStatus = BulkStatus.RUNNING
    done: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    ended_at: datetime | None = None
    aborted_by: str | None = None
    abort_reason: str | None = None


def opened(bulk_id: UUID, actor: str, event: BulkRequested) -> BulkOperation:
    """The operation right after its request."""
    return BulkOperation(
        id=bulk_id,
        version=1,
        action=event.action,
        filter=event.filter,
        reason=event.reason,
        rate=event.rate,
        limit=event.limit,
        matched=event.matched,
        request_hash=event.request_hash,
        requested_by=actor,
        requested_at=event.at,
    )


def evolve(bulk: BulkOperation, actor: str, event: BulkEvent) -> BulkOperation:
    """Remember one event; never refuses."""
    match event:
        case BulkRequested():
            raise ValueError("BulkRequested opens a stream")
        case BulkAborted():
            after = replace(bulk, status=BulkStatus.ABORTED, aborted_by=actor, abort_reason=event.reason)
        case BulkEnded():
            after = replace(bulk, status=BulkStatus.ENDED)
    return replace(after, version=bulk.version + 1, done=event.done, refused=event.refused, ended_at=event.at)
