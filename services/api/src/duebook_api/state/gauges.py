"""Gauges of what waits for an operator: dead letters, overdue jobs and paused queues."""

from datetime import datetime, timedelta

from asyncpg import Record

from duebook_api.state.count_pace import CountPace
from duebook_common.runtime.telemetry import (
    CURRENT_DEAD_LETTERS,
    DEAD_LETTER_AGE,
    OVERDUE_JOBS,
    PAUSED_QUEUES,
)
from duebook_common.store.database import Clock, Pool, acquire

_INTERVAL = 5  # seconds
_DEAD_LETTERS = """
SELECT queue, count(*) AS count, min(finished_at) AS oldest FROM runs WHERE status = 'dead_lettered' GROUP BY queue
"""
# Steps from queue to queue along the index of due jobs, and so reads only the overdue jobs of each. What a pause keeps
# back is not overdue.
OVERDUE = """
WITH RECURSIVE queues AS (
    (SELECT queue FROM jobs WHERE wake_at IS NOT NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT j.queue FROM jobs j WHERE j.wake_at IS NOT NULL AND j.queue > q.queue ORDER BY j.queue LIMIT 1)
    FROM queues q WHERE q.queue IS NOT NULL
)
SELECT coalesce(sum(overdue.count), 0)::bigint
FROM queues q
CROSS JOIN generate_series(0, 9) AS p (priority)
CROSS JOIN LATERAL (
    SELECT count(*) FROM jobs j
    WHERE j.wake_at IS NOT NULL AND j.queue = q.queue AND j.priority = p.priority AND j.wake_at < $1
) AS overdue
WHERE q.queue IS NOT NULL
  AND NOT ARRAY(SELECT name FROM queue_pauses WHERE until IS NULL) && ARRAY[q.queue, '*']
"""
_PAUSED = "SELECT count(*) FROM queue_pauses WHERE until IS NULL"


class OverdueGauges:
    """Refreshes the gauges of overdue jobs and paused queues. A slow count of dead letters does not delay them."""

    def __init__(self, pool: Pool, clock: Clock, misfire: timedelta) -> None:
        self._pool, self._clock, self._misfire = pool, clock, misfire
        self.pace = CountPace("overdue gauges", _INTERVAL)

    async def refresh(self) -> int:
        with self.pace.count():
            async with acquire(self._pool) as db:
                PAUSED_QUEUES.set(await db.fetchval(_PAUSED))
                OVERDUE_JOBS.set(await db.fetchval(OVERDUE, self._clock.now() - self._misfire))
        return 0


class DeadLetterGauges:
    """Refreshes the gauges of dead letters. A queue that has lost its last one stays, with 0."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self._queues = {"default"}
        self.pace = CountPace("dead letter gauges", _INTERVAL)

    async def refresh(self) -> int:
        with self.pace.count():
            async with acquire(self._pool) as db:
                self._set(await db.fetch(_DEAD_LETTERS), self._clock.now())
        return 0

    def _set(self, rows: list[Record], now: datetime) -> None:
        counts: dict[str, int] = {row["queue"]: row["count"] for row in rows}
        self._queues |= set(counts)
        for queue in self._queues:
            CURRENT_DEAD_LETTERS.labels(queue).set(counts.get(queue, 0))
        oldest: datetime = min((row["oldest"] for row in rows), default=now)
        DEAD_LETTER_AGE.set(max((now - oldest).total_seconds(), 0))
