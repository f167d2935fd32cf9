"""Where due rows stand: one lane for each queue and priority, read without touching what is not due.

The partial indexes are ordered by queue, priority and due time, so finding the lanes costs one probe for each,
and the due rows of a lane are the first ones in it, however many wait behind them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from duebook_common.store.database import Connection

_LANES = """
WITH RECURSIVE lanes AS (
    (SELECT queue, priority FROM {table} WHERE wake_at IS NOT NULL ORDER BY queue, priority LIMIT 1)
    UNION ALL
    SELECT following.queue, following.priority FROM lanes, LATERAL (
        SELECT queue, priority FROM {table}
        WHERE wake_at IS NOT NULL AND (queue, priority) > (lanes.queue, lanes.priority)
        ORDER BY queue, priority LIMIT 1
    ) AS following
)
SELECT queue, priority, (
    SELECT wake_at FROM {table} AS t
    WHERE t.wake_at IS NOT NULL AND t.queue = lanes.queue AND t.priority = lanes.priority
    ORDER BY t.queue, t.priority, t.wake_at LIMIT 1
) AS first
FROM lanes
"""
_BY_TABLE = {table: _LANES.format(table=table) for table in ("jobs", "runs")}


@dataclass(frozen=True, slots=True)
class Lane:
    """A queue at one priority, and the earliest time at which a row of it is due."""

    queue: str
    priority: int
    first: datetime


async def lanes(db: Connection, table: Literal["jobs", "runs"]) -> list[Lane]:
    """The lanes that hold anything, in order of priority, the highest first."""
    rows = [Lane(**record) for record in await db.fetch(_BY_TABLE[table]) if record["first"] is not None]
    return sorted(rows, key=lambda lane: (-lane.priority, lane.first))


def earliest(found: Sequence[Lane], now: datetime) -> datetime | None:
    """The next time after `now` at which something falls due."""
    return min((lane.first for lane in found if lane.first > now), default=None)
