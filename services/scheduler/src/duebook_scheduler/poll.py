"""The poll: one pass over everything that is due, repeated when the next due time has come."""

import time
from collections.abc import Awaitable
from datetime import timedelta

from duebook_common.runtime.loops import detect_lost_connection
from duebook_common.store.database import acquire
from duebook_scheduler.dispatch import Dispatcher
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.waker import Waker

_LATE = timedelta(milliseconds=200)


class Poller:
    """Dispatches due jobs and wakes due runs. `failing` says that the last pass raised."""

    def __init__(self, context: PollContext, dispatcher: Dispatcher, waker: Waker) -> None:
        self._pool, self._paused = context.pool, context.paused
        self._clock, self._settings = context.clock, context.settings
        self._dispatcher, self._waker = dispatcher, waker
        self.failing = False

    async def step(self) -> int:
        """One pass; returns how many jobs and runs were dealt with."""
        try:
            found = await self._timed(self._read_pauses())
            found += await self._timed(self._dispatcher.step()) + await self._timed(self._waker.step())
        except Exception:
            self.failing = True
            self._waker.distrust_leases()
            raise
        self.failing = False
        return found

    async def _read_pauses(self) -> int:
        async with acquire(self._pool) as db:
            return await self._paused.read(db, self._clock.now())

    async def _timed(self, work: Awaitable[int]) -> int:
        """Await the work. If it takes long, executors may have been unable to renew their leases meanwhile."""
        began = time.monotonic()
        found = await detect_lost_connection(work)
        if time.monotonic() - began > self._settings.lease.total_seconds() / 3:
            self._waker.distrust_leases()
        return found

    def is_late(self) -> bool:
        """Whether something was due for longer than a fifth of a second at the last pass."""
        return max(self._dispatcher.lateness, self._waker.lateness) > _LATE

    async def close(self) -> None:
        """End what goes on beside the passes."""
        await self._dispatcher.close()

    def pause(self) -> timedelta:
        """The time until the next poll of the cron expression or the next known due time, whichever is sooner."""
        now = self._clock.now()
        times = [self._settings.next_poll(now), self._dispatcher.next_due, self._waker.next_due]
        return max(min(time for time in times if time is not None) - now, timedelta(0))

    async def check(self) -> None:
        """Raises ConnectionError if the last pass failed: the scheduler is not ready then."""
        if self.failing:
            raise ConnectionError("the last poll failed")
