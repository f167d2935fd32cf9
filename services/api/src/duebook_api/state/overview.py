"""How many runs wait, run and rest, by queue, and what the last hours were like: made once for all who ask."""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from duebook_api.state.changes import Changes
from duebook_api.state.gauges import OVERDUE
from duebook_api.state.kept_answer import KeptAnswer
from duebook_api.state.recent import recent, services
from duebook_api.state.run_counts import RunCount, RunCounts, by_queue, in_all
from duebook_common.domain.queue.state import Pause
from duebook_common.store.database import Clock, Pool, acquire
from duebook_common.store.queue_pauses import pauses_now


class Overview:
    """The last answer, made anew when a process has changed; the counts, which the queues show too, follow the log."""

    def __init__(self, counts: RunCounts, changes: Changes) -> None:
        self._counts, self._changes = counts, changes
        self._kept = KeptAnswer[dict[str, Any]](note_old=changes.repeat_at)

    async def read(self, pool: Pool, clock: Clock, misfire: timedelta) -> dict[str, Any]:
        answer = await self._kept.read(partial(_make, pool, clock, misfire), self._changes.processes)
        counts = await self._counts.read(pool, clock)
        oldest = min((each.first_died for each in counts if each.first_died), default=None)
        async with acquire(pool) as db:  # what an operator has just done must show
            paused = [_paused(pause) for pause in (await pauses_now(db)).all]
        return {**answer, **summary(counts), "oldest_dead_letter_at": oldest, "paused": paused}


async def _make(pool: Pool, clock: Clock, misfire: timedelta) -> dict[str, Any]:
    now = clock.now()
    async with acquire(pool) as db:
        overdue: int = await db.fetchval(OVERDUE, now - misfire)
        history, processes = await recent(db, now), await services(db)
    return {"at": now, "overdue_jobs": overdue, **history, "services": processes}


def _paused(pause: Pause) -> dict[str, Any]:
    return {"queue": pause.name, "paused_by": pause.paused_by, "reason": pause.reason, "since": pause.since}


def summary(counts: Iterable[RunCount]) -> dict[str, Any]:
    """The counts of all queues together, and of each queue, by name."""
    queues = by_queue(counts)
    return {**in_all(queues), "queues": [{"queue": name, **each} for name, each in queues.items()]}
