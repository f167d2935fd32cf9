"""Lanes: the rows of one queue at one priority, so that due rows are found without reading rows that are not due.

The partial indexes are ordered by queue, priority and `wake_at`. Finding the lanes costs one index probe for each, and
the due rows of a lane come first in it, however many rows follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from duebook_common.store.database import Connection

_LANES = """
WITH RECURSIVE lanes AS (
    (SELECT queue, priority, wake_at FROM {table} WHERE wake_at IS NOT NULL ORDER BY queue, priority, wake_at LIMIT 1)
    UNION ALL
    SELECT following.* FROM lanes, LATERAL (
        SELECT queue, priority, wake_at FROM {table}
        WHERE wake_at IS NOT NULL AND (queue, priority) > (lanes.queue, lanes.priority)
        ORDER BY queue, priority, wake_at LIMIT 1
    ) AS following
)
SELECT queue, priority, wake_at AS first FROM lanes
"""
_BY_TABLE = {table: _LANES.format(table=table) for table in ("jobs", "runs")}


@dataclass(frozen=True, slots=True)
class Lane:
    """A queue at one priority, and the earliest `wake_at` (UTC) of its rows."""

    queue: str
    priority: int
    first: datetime


async def lanes(db: Connection, table: Literal["jobs", "runs"]) -> list[Lane]:
    """The lanes that have rows, the highest priority first."""
    rows = [Lane(**record) for record in await db.fetch(_BY_TABLE[table])]
    return sorted(rows, key=lambda lane: (-lane.priority, lane.first))


def earliest(found: Sequence[Lane], now: datetime) -> datetime | None:
    """The next time after `now` at which a row falls due; None if no row does."""
    return min((lane.first for lane in found if lane.first > now), default=None)


def next_look(found: Sequence[Lane], now: datetime, ahead: timedelta) -> datetime | None:
    """When to look for due rows next, if they may be dealt with up to `ahead` before they are due.

    A bit later than that, so that rows which follow closely are dealt with together. Rows behind the first of a lane
    are unknown, so a lane whose first row could not be dealt with ahead is looked at in short intervals.
    """
    times = [lane.first for lane in found if lane.first > now]
    if ahead:
        until = now + ahead
        times += [lane.first - ahead * 0.8 for lane in found if lane.first > until]
        times += [now + ahead / 3 for lane in found if now < lane.first <= until]
    return min(times, default=None)
