"""Losing the attempts of executors that have ended at once, instead of at the end of their leases.

An executor has ended if PostgreSQL has given up its sign of life and RabbitMQ has no connection of it any more. Each
alone may be a lost connection. Whatever is in doubt is left to the leases.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from random import random
from typing import NamedTuple
from uuid import UUID

import structlog
from redis.asyncio import Redis

from duebook_common.domain.run.commands import LoseAttempt
from duebook_common.domain.run.events import AttemptLost, RunDeadLettered
from duebook_common.runtime.redis_errors import REDIS_FAILED
from duebook_common.runtime.redis_locks import RunLocks
from duebook_common.store.database import acquire
from duebook_common.store.executors import expire
from duebook_common.store.run_handling import RunWork, handle_runs
from duebook_common.store.signs import Session, free_signs, open_session
from duebook_scheduler.lanes import LaneReader
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.sign_history import SignHistory
from duebook_scheduler.waker import count_woken, runs_with
from duebook_scheduler.work_queues import WorkQueues

log = structlog.stdlib.get_logger("ended_executors")

# A start that the executor had sent before its end may be committed later. Beyond that its lease covers it.
_LATE_STARTS = timedelta(seconds=5)

# What is running wakes at the end of a lease, so only rows that are due soon are read.
_RUNNING = """
SELECT run_id, executor FROM unnest($1::text[], $2::int[], $3::timestamptz[])
    AS lane (lane_queue, lane_priority, first),
LATERAL (
    SELECT run_id, executor FROM runs
    WHERE wake_at IS NOT NULL AND runs.queue = lane_queue AND runs.priority = lane_priority
      AND wake_at >= lane.first AND wake_at <= $4 AND status = 'running' AND executor = ANY($5)
) AS runs
LIMIT $6
"""


class _End(NamedTuple):
    since: datetime
    """The sign has been missing since then (UTC)."""
    noted_at: datetime


class EndedExecutors:
    """Watches the signs of life over a session of its own. `wake` lets the scheduler poll."""

    def __init__(
        self, context: PollContext, url: str, queues: WorkQueues, redis: Redis, sender: RunSender,
        wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self._context, self._url, self._queues = context, url, queues
        self._redis, self._sender, self._wake = redis, sender, wake
        self._session: Session | None = None
        self._history, self._ended = SignHistory(), dict[str, _End]()
        self._pooled, self._lanes = False, LaneReader("runs")

    async def step(self) -> int:
        """Look at the signs once; returns how many attempts were lost."""
        if not await self._has_session():
            return 0
        assert self._session is not None
        try:
            free = await free_signs(self._session, self._history.watched | self._ended.keys())
        except BaseException:
            self.close()
            raise
        now = self._context.clock.now()
        given = self._history.see(free, now)
        # An executor that gives its sign again had lost both connections only: what it starts from now on is its own.
        self._ended = {executor: end for executor, end in self._ended.items() if executor not in given}
        await self._note_ended(now)
        await self._trust(given)
        lost = await self._lose_attempts()
        self._ended = {executor: end for executor, end in self._ended.items() if now - end.noted_at < _LATE_STARTS}
        return lost

    async def _has_session(self) -> bool:
        if self._session is not None and self._session.is_closed():
            self.close()
        if self._session is None and not self._pooled:
            self._session = await open_session(self._url, "signs-of-life")
            self._pooled = self._session is None
        return self._session is not None

    def close(self) -> None:
        """End the session, and with it what it has seen."""
        self._history = SignHistory()
        if self._session is not None:
            self._session.terminate()
            self._session = None

    async def _trust(self, executors: Collection[str]) -> None:
        for executor in sorted(set(executors) - self._history.watched):
            is_connected = await self._queues.is_connected(executor)
            if is_connected is None:
                return  # the broker does not answer: each further question would wait too
            if is_connected:
                self._history.trust(executor)

    async def _note_ended(self, now: datetime) -> None:
        for executor, since in self._history.missing(now).items():
            if await self._queues.is_connected(executor) is False:
                log.warning("executor ended without a word", executor=executor, since=since.isoformat())
                self._history.forget(executor)
                self._ended[executor] = _End(since, now)
                await expire(self._context.pool, executor)

    async def _lose_attempts(self) -> int:
        """Lose one batch of the attempts that the ended executors had; returns how many."""
        running = await self._running([*self._ended])
        if not running:
            return 0
        for executor, run_ids in running.items():
            await self._release_locks(executor, run_ids)
        now = self._context.clock.now()
        work = [
            RunWork(run_id, LoseAttempt(executor, self._ended[executor].since, now, random()))
            for executor, run_ids in running.items()
            for run_id in run_ids
        ]
        results = await handle_runs(self._context.pool, work, self._context.actor)
        lost = runs_with(AttemptLost, results)
        for result in results:
            if result.run is not None:
                count_woken(result.run, result)
        self._wake()
        await self._sender.send(runs_with(RunDeadLettered, results), bury=True)
        return len(lost)

    async def _running(self, executors: Sequence[str]) -> Mapping[str, list[UUID]]:
        """The runs that the executors have, a batch at most."""
        if not executors:
            return {}
        batch, lease = self._context.settings.batch, self._context.settings.lease
        async with acquire(self._context.pool) as db:
            now = self._context.clock.now()
            found = await self._lanes.read(db, now)  # a lease that ended below the watermarks is the waker's
            if not found:
                return {}
            until = now + 2 * lease
            records = await db.fetch(_RUNNING, *zip(*found, strict=True), until, executors, batch)
        running = defaultdict[str, list[UUID]](list)
        for record in records:
            running[record["executor"]].append(record["run_id"])
        return running

    async def _release_locks(self, executor: str, run_ids: Sequence[UUID]) -> None:
        """The next executor of the runs needs their locks, which otherwise end with the lease."""
        try:
            await RunLocks(self._redis, executor, self._context.settings.lease).release(run_ids)
        except REDIS_FAILED as error:
            log.warning("locks of an ended executor not released; they expire", error=error)
