"""What waits in each queue, and since when: counted at most once a second for all who ask this process."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from duebook_api.state.changes import Changes
from duebook_api.state.kept_answer import KeptAnswer
from duebook_api.state.run_counts import STATES, Counts, RunCounts
from duebook_common.store.database import Clock, Connection, Pool, acquire
from duebook_common.store.predicates import IS_LIVE
from duebook_common.store.queues import known_queues

_EXECUTORS = f"""
SELECT queue, count(*) AS executors FROM executors, unnest(queues) AS queue WHERE {IS_LIVE} GROUP BY queue
"""  # noqa: S608
_NAMES = "SELECT name FROM queues UNION SELECT DISTINCT name FROM queue_pauses WHERE name <> '*'"

Numbers = Mapping[str, dict[str, Any]]


class QueueNumbers:
    """The last answer, whose runs are those of the overview. It follows the log as these do."""

    def __init__(self, counts: RunCounts, changes: Changes) -> None:
        self._counts, self._changes, self._kept = counts, changes, KeptAnswer[Numbers](note_old=changes.repeat_at)

    async def read(self, pool: Pool, clock: Clock) -> Numbers:
        """The numbers of every known queue, by its name."""
        counts = await self._counts.read(pool, clock)  # perhaps older than the log, and no part of what is timed
        return await self._kept.read(partial(_make, pool, counts), (self._changes.seen_to, counts))

    async def of(self, pool: Pool, clock: Clock, name: str) -> dict[str, Any] | None:
        """The numbers of one queue; None if there is none of this name, also since the last count."""
        numbers = (await self.read(pool, clock)).get(name)
        if numbers is None:
            async with acquire(pool) as db:
                numbers = _nothing() if name in await known_queues(db) else None
        return numbers


async def _make(pool: Pool, counts: Counts) -> Numbers:
    async with acquire(pool) as db:
        return await _numbers(db, counts)


def _nothing() -> dict[str, Any]:
    return {**dict.fromkeys(STATES, 0), "oldest_due_at": None, "executors": 0}


async def _numbers(db: Connection, counts: Counts) -> Numbers:
    queues: dict[str, dict[str, Any]] = {}

    def of(name: str) -> dict[str, Any]:
        return queues.setdefault(name, _nothing())

    for row in await db.fetch(_NAMES):
        of(row["name"])
    for count in counts:
        of(count.queue)[count.state] += count.runs
        _note_oldest(of(count.queue), count.oldest)
    for row in await db.fetch(_EXECUTORS):
        of(row["queue"])["executors"] = row["executors"]
    return dict(sorted(queues.items()))


def _note_oldest(queue: dict[str, Any], time: datetime | None) -> None:
    known = queue["oldest_due_at"]
    queue["oldest_due_at"] = min((each for each in (known, time) if each is not None), default=None)
