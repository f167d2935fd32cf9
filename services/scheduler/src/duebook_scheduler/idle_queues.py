"""Removing idle work queues from RabbitMQ: each costs it memory, and clients choose their names.

A queue is idle once no active job names it and no run of it waits, is under way or will be retried. It is removed only
if RabbitMQ has no messages in it and in its dead-letter queue, and no consumers of either. A sender that finds its
queue removed declares it again.
"""

from datetime import datetime, timedelta

import structlog

from duebook_common.broker.topology import BROKER_ERRORS
from duebook_common.store.database import Pool, acquire
from duebook_common.store.queues import claim_queue, forget_queue, idle_queues, keep_queues
from duebook_scheduler.lanes import lanes
from duebook_scheduler.work_queues import WorkQueues

log = structlog.stdlib.get_logger("idle_queues")

_BATCH = 20  # queues


class IdleQueues:
    """Removes queues that have been idle for `idle`. Any number of schedulers may do so."""

    def __init__(self, pool: Pool, work_queues: WorkQueues, idle: timedelta) -> None:
        self._pool, self._work_queues, self._idle = pool, work_queues, idle

    async def step(self) -> int:
        """Remove one batch; returns how many queues were looked at."""
        if not self._work_queues.connected:
            return 0
        async with acquire(self._pool) as db:
            in_use = {lane.queue for lane in [*await lanes(db, "jobs"), *await lanes(db, "runs")]}
            await keep_queues(db, in_use, self._idle / 4)
            found = await idle_queues(db, self._idle, in_use, _BATCH)
        for name, used_at in found:
            await self._remove(name, used_at)
        return len(found)

    async def _remove(self, name: str, used_at: datetime) -> None:
        async with acquire(self._pool) as db:
            claimed_at = await claim_queue(db, name, used_at)
        if claimed_at is None:
            return
        try:
            removed = await self._work_queues.remove_idle(name)
        except BROKER_ERRORS as error:
            log.warning("idle queue not removed", queue=name, error=error)
            return
        if removed:
            log.info("idle queue removed", queue=name)
            async with acquire(self._pool) as db:
                await forget_queue(db, name, claimed_at)
