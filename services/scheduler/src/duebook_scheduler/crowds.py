"""Crowds: jobs that are due together are decided longer ahead, the longer the more they are, so that all begin on time.

A hundred thousand jobs due at midnight are decided from some seconds before it. A job that is due alone is decided
within the look-ahead of the setting.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from duebook_common.domain.job.schedule_history import EARLIEST
from duebook_common.store.database import Connection
from duebook_scheduler.looks import Lane

LONGEST_LEAD = timedelta(seconds=7.5)
"""No job is decided longer ahead than that, however many are due with it."""
_PER_SECOND = 1_400  # jobs that two cores decide and start in a second, while others use them too
_LEAST = 50  # jobs: fewer are decided in time by the look-ahead of the setting
_HEAD_START = timedelta(milliseconds=200)  # the first of them are decided, sent and started in that time
_MOST = 10_000  # jobs of a lane that are counted
_COUNT_INTERVAL = timedelta(milliseconds=200)

# Arrays come as subselects: if PostgreSQL knew how long they are while it plans, it would plan each poll anew.
_DUE_SOON = """
SELECT max(due.wake_at) AS by, count(*) AS jobs
FROM unnest((SELECT $1::text[]), (SELECT $2::int[])) AS lane (queue, priority), LATERAL (
    SELECT wake_at FROM jobs
    WHERE wake_at IS NOT NULL AND jobs.queue = lane.queue AND jobs.priority = lane.priority
      AND wake_at > $3 AND wake_at <= $4
    ORDER BY jobs.queue, jobs.priority, wake_at LIMIT $5
) AS due
GROUP BY floor(extract(epoch FROM due.wake_at - $3) * 8) ORDER BY 1
"""


class DueSoon(NamedTuple):
    """So many jobs are due after the last of such entries, and by this time (UTC)."""

    by: datetime
    jobs: int


class Horizon(NamedTuple):
    """Jobs due by `until` may be decided now; `look_at`: when the next crowd has to be begun (UTC), if there is one."""

    until: datetime
    look_at: datetime | None


def horizon(due: Sequence[DueSoon], now: datetime, ahead: timedelta) -> Horizon:
    """How far ahead to decide, given what is due soon in the order of time; `ahead` is what one job gets."""
    until, look_at, jobs = now + ahead, None, 0
    for entry in due:
        jobs += entry.jobs
        begin = entry.by - ahead - _HEAD_START - timedelta(seconds=jobs / _PER_SECOND)
        if jobs < _LEAST:
            continue
        if begin <= now:
            until, look_at = max(until, entry.by), None
        else:
            look_at = min(look_at or begin, begin)
    return Horizon(until, look_at)


def is_old(counted_at: datetime, now: datetime) -> bool:
    """Whether to count again: also after the clock was set back, as the count was of another time."""
    return abs(now - counted_at) >= _COUNT_INTERVAL


def last_ahead(found: Horizon, now: datetime, ahead: timedelta) -> datetime:
    """Up to which time jobs are decided now: never beyond LONGEST_LEAD, also after the clock was set back."""
    return max(now + ahead, min(found.until, now + LONGEST_LEAD))


class Crowds:
    """Counts what is due soon, some times a second while there is anything."""

    def __init__(self) -> None:
        self._found = Horizon(EARLIEST, None)
        self._counted_at = EARLIEST

    async def horizon(self, db: Connection, lanes: Sequence[Lane], now: datetime, ahead: timedelta) -> Horizon:
        """How far ahead the jobs of these lanes may be decided, and when to look again."""
        near = [lane for lane in lanes if lane.first <= now + LONGEST_LEAD]
        look_at = self._found.look_at
        if ahead and near and (is_old(self._counted_at, now) or (look_at is not None and now >= look_at)):
            names, priorities = [lane.queue for lane in near], [lane.priority for lane in near]
            records = await db.fetch(_DUE_SOON, names, priorities, now, now + LONGEST_LEAD, _MOST)
            self._found = horizon([DueSoon(*record) for record in records], now, ahead)
            self._counted_at = now
        later = [lane.first - LONGEST_LEAD for lane in lanes if lane.first > now + LONGEST_LEAD]
        looks = [time for time in (self._found.look_at, *later) if ahead and time is not None and time > now]
        return Horizon(last_ahead(self._found, now, ahead), min(looks, default=None))
