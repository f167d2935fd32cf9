"""Watching over attempts under way: heartbeats, lock renewal, cancel requests, log lines."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import redis
import structlog

from duebook_common.runtime.redis_locks import RunLocks
from duebook_common.runtime.telemetry import LOCKS
from duebook_executor.attempts import Attempt, Attempts
from duebook_executor.queries import ExecutorQueries, RecordedState

log = structlog.stdlib.get_logger("watch")

_YOUNG_SECONDS = 0.5


class Heartbeat:
    """Twice a second: asks how the attempts stand, and prolongs leases and locks in good time."""

    def __init__(self, attempts: Attempts, books: ExecutorQueries, locks: RunLocks, lease: timedelta) -> None:
        self._attempts, self._books, self._locks, self._lease = attempts, books, locks, lease
        self._beat_at = 0.0

    async def step(self) -> int:
        """One look at everything that runs longer than half a second; always answers 0: there is no backlog."""
        self._attempts.loop.watch()
        now = asyncio.get_running_loop().time()
        attempts = [a for a in self._attempts.running.values() if not a.ending and now - a.started > _YOUNG_SECONDS]
        if not attempts:
            return 0
        owned = self._owned(attempts, await self._books.standing(a.run.id for a in attempts))
        await self._attempts.write_lines(owned)
        if owned and now >= self._beat_at:
            self._beat_at = now + self._lease.total_seconds() / 3
            await self._beat(owned)
        return 0

    def _owned(self, attempts: Sequence[Attempt], standing: dict[UUID, RecordedState]) -> list[Attempt]:
        """Those that are still ours; stops the others, and those that somebody wants cancelled."""
        owned = []
        for attempt in attempts:
            if attempt.ending:
                continue
            stands = standing.get(attempt.run.id)
            if stands is None or stands.attempt != attempt.run.attempt or stands.status != "running":
                if not attempt.lost:
                    log.warning("attempt is no longer ours", run_id=str(attempt.run.id), attempt=attempt.run.attempt)
                    attempt.lost = True
                    attempt.stop()
                continue
            if stands.cancel_requested and not attempt.cancelled:
                attempt.cancelled = True
                attempt.stop()
            owned.append(attempt)
        return owned

    async def _beat(self, attempts: Sequence[Attempt]) -> None:
        await self._books.beat([(attempt.run.id, attempt.run.attempt) for attempt in attempts], self._lease)
        for attempt in attempts:
            attempt.beaten = True
        try:
            kept = await self._locks.renew([attempt.run.id for attempt in attempts])
        except redis.RedisError:
            LOCKS.labels("unavailable").inc(len(attempts))
        else:
            LOCKS.labels("lost").inc(len(kept) - sum(kept))
