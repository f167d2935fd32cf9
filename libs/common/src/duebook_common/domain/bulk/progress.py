"""How far a bulk operation has come, and how fast it may go on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple
from uuid import UUID

from duebook_common.domain.bulk.state import BulkOperation, BulkStatus

_CATCH_UP = timedelta(milliseconds=100)
_MOST_AHEAD = timedelta(minutes=1)


class Cursor(NamedTuple):
    """The sort key of the last target that was read. Jobs are sorted by `created_at` and id alone."""

    created_at: datetime
    nominal_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`again`: targets before the cursor that another writer was changing. `next_at`: when the rate allows the next.

    `phase`: which of the searches for targets goes on; each has a cursor of its own.
    """

    phase: int = 0
    cursor: Cursor | None = None
    again: Sequence[UUID] = ()
    done: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    next_at: datetime | None = None


class Slots(NamedTuple):
    """How many targets may be dealt with now, and the time of the first; the others follow at the interval."""

    size: int
    first: datetime
    interval: timedelta


def slots(bulk: BulkOperation, progress: Progress, now: datetime, most: int) -> Slots:
    """What rate and limit allow now, at most `most`.

    Times of the rate that passed unused are lost, but for those of a moment: no burst follows an outage. No second has
    more than the rate.
    """
    left = most if bulk.limit is None else min(most, bulk.limit - progress.done)
    if bulk.rate is None:
        return Slots(left, now, timedelta(0))
    interval = _interval(bulk.rate)
    unused = max(_CATCH_UP - interval, timedelta(0))
    latest = now + interval + _MOST_AHEAD  # later only if the database's clock has been set back
    first = now if progress.next_at is None else min(max(progress.next_at, now - unused), latest)
    allowed = (now - first) // interval + 1 if first <= now else 0
    return Slots(min(left, allowed), first, interval)


def _interval(rate: float) -> timedelta:
    """The time between two targets, rounded up so that the rate is never exceeded.

    The times of a moment before a second may be used within it: they are further apart for that.
    """
    seconds = max(1 / rate, (1 + _CATCH_UP.total_seconds()) / (rate + 1))
    return timedelta(microseconds=ceil(seconds * 1_000_000))


class BatchOutcome(NamedTuple):
    """What came of a batch: how many targets were acted on, and the reasons of those that were refused.

    `again` are left for the next batch. `used` counts the times of the rate that are used up.
    """

    done: int
    refused: Counter[str]
    again: Sequence[UUID] = ()
    used: int = 0


def advanced(
    progress: Progress, cursor: Cursor | None, outcome: BatchOutcome, taken: Slots, later: Sequence[UUID]
) -> Progress:
    """The progress after a batch, which has read targets up to the cursor, and has left `later` alone."""
    return replace(
        progress,
        cursor=cursor,
        again=(*outcome.again, *later),
        done=progress.done + outcome.done,
        refused=dict(Counter(progress.refused) + outcome.refused),
        next_at=taken.first + outcome.used * taken.interval if taken.interval else None,
    )


def left(bulk: BulkOperation, progress: Progress) -> int:
    """How many targets are still to come, as far as is known; 0 once it has ended or was aborted."""
    if bulk.status is not BulkStatus.RUNNING:
        return 0
    remaining = max(0, bulk.matched - progress.done - sum(progress.refused.values()))
    return remaining if bulk.limit is None else min(remaining, max(0, bulk.limit - progress.done))


def estimated_end(bulk: BulkOperation, progress: Progress, now: datetime) -> datetime | None:
    """When it ends if it goes on as it has so far, or by its rate; None if that is unknown."""
    if bulk.status is not BulkStatus.RUNNING:
        return None
    remaining, dealt_with = left(bulk, progress), progress.done + sum(progress.refused.values())
    if bulk.rate is not None:
        return max(now, progress.next_at or now) + timedelta(seconds=remaining / bulk.rate)
    if remaining and not dealt_with:
        return None
    spent = now - bulk.requested_at
    return now + (spent * (remaining / dealt_with) if remaining else timedelta(0))
