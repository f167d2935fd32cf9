"""How many runs wait, run and rest, by queue: counted at most once a second for all who ask this process."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from duebook_api.state.gauges import OVERDUE
from duebook_api.state.recent import recent, services
from duebook_common.domain.queue.state import Pause
from duebook_common.store.database import Clock, Pool, acquire
from duebook_common.store.queue_pauses import pauses_now

_AGE = 1.0  # seconds for which an answer serves everyone
COUNTS = ("due", "dispatched", "waiting", "running", "retrying", "dead_lettered")
# A run that is dispatched without a number has yet to be sent to its queue.
_ACTIVE = """
SELECT queue, CASE WHEN status = 'dispatched' AND dispatch = 0 THEN 'due' ELSE status END AS state, count(*) AS runs
FROM runs WHERE wake_at IS NOT NULL AND status <> 'dead_lettered' GROUP BY 1, 2
UNION ALL
SELECT queue, 'dead_lettered', count(*) FROM runs WHERE status = 'dead_lettered' GROUP BY queue
"""
_OLDEST = "SELECT min(finished_at) FROM runs WHERE status = 'dead_lettered'"


class Overview:
    """The last answer, and the lock under which the next is made."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._answer: dict[str, Any] = {}
        self._until = 0.0

    async def read(self, pool: Pool, clock: Clock, misfire: timedelta) -> dict[str, Any]:
        async with self._lock:
            if time.monotonic() >= self._until:
                self._answer = await _read(pool, clock.now(), misfire)
                self._until = time.monotonic() + _AGE
            answer = self._answer
        async with acquire(pool) as db:  # what an operator has just done must show
            return answer | {"paused": [_paused(pause) for pause in (await pauses_now(db)).all]}


def _paused(pause: Pause) -> dict[str, Any]:
    return {"queue": pause.name, "paused_by": pause.paused_by, "reason": pause.reason, "since": pause.since}


async def _read(pool: Pool, now: datetime, misfire: timedelta) -> dict[str, Any]:
    async with acquire(pool) as db:
        rows = await db.fetch(_ACTIVE)
        oldest: datetime | None = await db.fetchval(_OLDEST)
        overdue: int = await db.fetchval(OVERDUE, now - misfire)
        history, processes = await recent(db, now), await services(db)
    return {
        "at": now,
        **summary([tuple(row) for row in rows]),
        "overdue_jobs": overdue,
        "oldest_dead_letter_at": oldest,
        **history,
        "services": processes,
    }


def summary(counts: list[tuple[str, str, int]]) -> dict[str, Any]:
    """The counts of all queues together, and of each queue, by name; from (queue, state, runs)."""
    queues: dict[str, dict[str, int]] = {}
    for queue, state, runs in sorted(counts):
        queues.setdefault(queue, dict.fromkeys(COUNTS, 0))[state] = runs
    total: Mapping[str, int] = {name: sum(each[name] for each in queues.values()) for name in COUNTS}
    return {**total, "queues": [{"queue": name, **each} for name, each in queues.items()]}
