"""Lanes: the rows of one queue at one priority, so that due rows are found without reading rows that are not due.

The partial indexes are ordered by queue, priority and `wake_at`. Finding the lanes costs one index probe for each, and
the due rows of a lane come first in it, however many rows follow.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from asyncpg import QueryCanceledError

from duebook_common.store.database import Connection
from duebook_scheduler.looks import Lane, LaneId, Looks

Table = Literal["jobs", "runs"]

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
_BY_TABLE: dict[Table, str] = {"jobs": _LANES.format(table="jobs"), "runs": _LANES.format(table="runs")}

# Each known lane from its watermark up to a time, and of the gaps between the priorities of a queue and between queues
# the first lane. Of dead rows only those near the watermarks are stepped over: PostgreSQL 15 does not stop at the upper
# bound if that is a row of queue and priority. A lane without a row by that time has it as its `first`.
# Arrays come as subselects: if PostgreSQL knew how long they are while it plans, it would plan each poll anew.
_FROM_WATERMARKS = """
SELECT lane.queue, lane.priority, coalesce((
    SELECT wake_at FROM {table}
    WHERE wake_at IS NOT NULL AND {table}.queue = lane.queue AND {table}.priority = lane.priority
      AND wake_at >= lane.watermark AND wake_at <= $4
    ORDER BY {table}.queue, {table}.priority, wake_at LIMIT 1
), $4) AS first
FROM unnest((SELECT $1::text[]), (SELECT $2::int[]), (SELECT $3::timestamptz[])) AS lane (queue, priority, watermark)
UNION ALL
SELECT new.* FROM unnest((SELECT $5::text[]), (SELECT $6::int[]), (SELECT $7::int[])) AS gap (queue, lower, upper),
LATERAL (
    SELECT queue, priority, wake_at FROM {table}
    WHERE wake_at IS NOT NULL AND {table}.queue = gap.queue AND priority > gap.lower AND priority < gap.upper
    ORDER BY queue, priority, wake_at LIMIT 1
) AS new
UNION ALL
SELECT new.* FROM unnest((SELECT $8::text[]), (SELECT $9::text[])) AS gap (lower, upper), LATERAL (
    SELECT queue, priority, wake_at FROM {table}
    WHERE wake_at IS NOT NULL AND queue > gap.lower AND queue < gap.upper
    ORDER BY queue, priority, wake_at LIMIT 1
) AS new
"""
_WATERMARKS_BY_TABLE: dict[Table, str] = {
    "jobs": _FROM_WATERMARKS.format(table="jobs"),
    "runs": _FROM_WATERMARKS.format(table="runs"),
}
_FIRST_QUEUE, _LAST_QUEUE = "", "~"  # names of queues begin with a letter or digit
_LEAST, _MOST = -1, 2**15 - 1  # priorities
# So far ahead a look from the watermarks reads; what is later it does not know. Crowds of jobs are decided long ahead.
_NEAR: dict[Table, timedelta] = {"jobs": timedelta(seconds=9), "runs": timedelta(seconds=1)}
_FULL_LOOK_INTERVAL = timedelta(seconds=1)  # without anything else to do


async def lanes(db: Connection, table: Table) -> list[Lane]:
    """The lanes that have rows, the highest priority first."""
    return _by_priority([Lane(**record) for record in await db.fetch(_BY_TABLE[table])])


class LaneReader:
    """Reads the lanes again and again, at a cost that dead rows hardly raise."""

    def __init__(self, table: Table, clock: Callable[[], float] = time.monotonic) -> None:
        self._table: Table = table
        self._clock, self._looks = clock, Looks()

    async def read(self, db: Connection, now: datetime) -> list[Lane]:
        """The lanes that have rows, the highest priority first; perhaps without rows that were written late."""
        began = self._clock()
        if self._looks.is_full(began):
            try:
                found = await lanes(db, self._table)
            except QueryCanceledError:
                if not self._looks.gave_up(began, self._clock()):
                    raise
            else:
                self._looks.saw_all(found, now, began, self._clock())
                return found
        found = await lanes_from(db, self._table, self._looks.watermarks(now), now + _NEAR[self._table])
        self._looks.saw(found, now)
        return found

    def look_again_at(self, now: datetime) -> datetime | None:
        """When to look for what was written late (UTC); None if nothing can have been overlooked."""
        left = self._looks.full_in(self._clock())
        return None if left is None else now + max(left, _FULL_LOOK_INTERVAL)


async def lanes_from(
    db: Connection, table: Table, watermarks: Mapping[LaneId, datetime], until: datetime
) -> list[Lane]:  # fmt: skip
    """These lanes, which are sorted, without rows below their watermarks (UTC), and some of those between them.

    Where no row wakes by `until`, that is what a lane has as its first time.
    """
    known = [[lane.queue for lane in watermarks], [lane.priority for lane in watermarks], [*watermarks.values()]]
    records = await db.fetch(_WATERMARKS_BY_TABLE[table], *known, until, *gaps_between(watermarks))
    return _by_priority([Lane(**record) for record in records])


def gaps_between(known: Iterable[LaneId]) -> tuple[list[str], list[int], list[int], list[str], list[str]]:
    """Where other lanes may be: queues with a lower and an upper priority, and lower and upper names of queues."""
    priorities: dict[str, list[int]] = {}
    for lane in known:
        priorities.setdefault(lane.queue, [_LEAST]).append(lane.priority)
    inside = [
        (queue, lower, upper)
        for queue, here in priorities.items()
        for lower, upper in pairwise([*here, _MOST])
        if upper > lower + 1
    ]
    queues = [_FIRST_QUEUE, *priorities, _LAST_QUEUE]
    inside_columns = [each[0] for each in inside], [each[1] for each in inside], [each[2] for each in inside]
    return *inside_columns, queues[:-1], queues[1:]


def _by_priority(found: list[Lane]) -> list[Lane]:
    return sorted(found, key=lambda lane: (-lane.priority, lane.first))


def earliest(found: Sequence[Lane], now: datetime) -> datetime | None:
    """The next time after `now` at which a row falls due; None if no row does."""
    return min((lane.first for lane in found if lane.first > now), default=None)


def lateness(found: Iterable[Lane], now: datetime) -> timedelta:
    """For how long the first of these rows has been due; zero if none is."""
    return max(now - min((lane.first for lane in found), default=now), timedelta(0))


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
