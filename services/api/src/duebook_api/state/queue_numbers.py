"""What waits in each queue, and since when: counted at most once a second for all who ask this process."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from duebook_common.store.database import Clock, Connection, Pool, acquire
from duebook_common.store.predicates import IS_LIVE
from duebook_common.store.queues import known_queues

_AGE = 1.0  # seconds for which an answer serves everyone
STATES = ("dispatched", "waiting", "running", "retrying", "dead_lettered")
# A run that is dispatched without a number has yet to be sent to its queue.
_RUNS = """
SELECT queue, CASE WHEN status = 'dispatched' AND dispatch = 0 THEN 'due' ELSE status END AS state, count(*) AS runs,
       min(due_at) FILTER (WHERE status IN ('waiting', 'dispatched') AND attempt = 0) AS oldest
FROM runs WHERE wake_at IS NOT NULL AND status <> 'dead_lettered' GROUP BY 1, 2
UNION ALL
SELECT queue, 'dead_lettered', count(*), NULL FROM runs WHERE status = 'dead_lettered' GROUP BY queue
"""
# Steps from queue to queue along the index of due jobs, and reads only the due jobs of each.
_JOBS = """
WITH RECURSIVE queues AS (
    (SELECT queue FROM jobs WHERE wake_at IS NOT NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT j.queue FROM jobs j WHERE j.wake_at IS NOT NULL AND j.queue > q.queue ORDER BY j.queue LIMIT 1)
    FROM queues q WHERE q.queue IS NOT NULL
)
SELECT q.queue, coalesce(sum(due.jobs), 0)::bigint AS jobs, min(due.oldest) AS oldest
FROM queues q
CROSS JOIN generate_series(0, 9) AS p (priority)
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs, min(j.wake_at) AS oldest FROM jobs j
    WHERE j.wake_at IS NOT NULL AND j.queue = q.queue AND j.priority = p.priority AND j.wake_at <= $1
) AS due
WHERE q.queue IS NOT NULL GROUP BY q.queue
"""
_EXECUTORS = f"""
SELECT queue, count(*) AS executors FROM executors, unnest(queues) AS queue WHERE {IS_LIVE} GROUP BY queue
"""  # noqa: S608
_NAMES = "SELECT name FROM queues UNION SELECT DISTINCT name FROM queue_pauses WHERE name <> '*'"

Numbers = Mapping[str, dict[str, Any]]


class QueueNumbers:
    """The last answer, and the lock under which the next is made."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._answer: Numbers = {}
        self._until = 0.0

    async def read(self, pool: Pool, clock: Clock) -> Numbers:
        """The numbers of every known queue, by its name."""
        async with self._lock:
            if time.monotonic() >= self._until:
                async with acquire(pool) as db:
                    self._answer = await _read(db, clock.now())
                self._until = time.monotonic() + _AGE
            return self._answer

    async def of(self, pool: Pool, clock: Clock, name: str) -> dict[str, Any] | None:
        """The numbers of one queue; None if there is none of this name, also since the last count."""
        numbers = (await self.read(pool, clock)).get(name)
        if numbers is None:
            async with acquire(pool) as db:
                numbers = _nothing() if name in await known_queues(db) else None
        return numbers


def _nothing() -> dict[str, Any]:
    return {"due": 0, **dict.fromkeys(STATES, 0), "oldest_due_at": None, "executors": 0}


async def _read(db: Connection, now: datetime) -> Numbers:
    """`due` counts what is due and was not sent: runs, and jobs whose occurrence is not decided yet."""
    queues: dict[str, dict[str, Any]] = {}

    def of(name: str) -> dict[str, Any]:
        return queues.setdefault(name, _nothing())

    for row in await db.fetch(_NAMES):
        of(row["name"])
    for row in await db.fetch(_RUNS):
        of(row["queue"])[row["state"]] = row["runs"]
        _note_oldest(of(row["queue"]), row["oldest"])
    for row in await db.fetch(_JOBS, now):
        of(row["queue"])["due"] += row["jobs"]
        _note_oldest(of(row["queue"]), row["oldest"])
    for row in await db.fetch(_EXECUTORS):
        of(row["queue"])["executors"] = row["executors"]
    return dict(sorted(queues.items()))


def _note_oldest(queue: dict[str, Any], time: datetime | None) -> None:
    known = queue["oldest_due_at"]
    queue["oldest_due_at"] = min((each for each in (known, time) if each is not None), default=None)
