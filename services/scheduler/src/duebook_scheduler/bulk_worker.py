"""Bulk operations, batch by batch: all that go on take part in each pass, so a large one keeps no small one waiting."""

import asyncio
import time
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from duebook_common.runtime.hints import Hints
from duebook_common.store.bulk_handling import BulkExecutor, Step
from duebook_common.store.bulk_rows import running_bulk
from duebook_common.store.database import acquire
from duebook_common.store.log_pulse import LogPulse
from duebook_scheduler.poll_context import PollContext

log = structlog.stdlib.get_logger("bulk")

_SHORTEST, _LONGEST = timedelta(milliseconds=50), timedelta(milliseconds=250)
_LOOK_SECONDS = 1.0  # a new operation is an event; the log is read up to the oldest transaction only
_AFTER_ERROR, _LOOK_AGAIN = timedelta(seconds=2), timedelta(seconds=10)


class BulkWorker:
    """Works half of the time at most: after each batch the poll has as long as the batch took.

    Any number of schedulers may work; one at a time deals with an operation.
    """

    def __init__(
        self, context: PollContext, executor: BulkExecutor, hints: Hints, pulse: LogPulse | None = None
    ) -> None:
        self._pool, self._clock, self._pulse = context.pool, context.clock, pulse or LogPulse(context.pool)
        self._executor, self._hints = executor, hints
        self._goes_on_at: dict[UUID, datetime] = {}

    async def step(self) -> int:
        """One batch of each operation that may go on; returns how many targets were dealt with."""
        if not self._goes_on_at and not await self._pulse.has_grown("bulk", _LOOK_SECONDS):
            return 0
        async with acquire(self._pool) as db:
            running = await running_bulk(db)
        now = self._clock.now()
        self._goes_on_at = {id_: self._goes_on_at.get(id_, now) for id_ in running}
        due = [id_ for id_ in running if self._goes_on_at[id_] <= now]
        return sum([await self._batch(bulk_id) for bulk_id in due])

    async def _batch(self, bulk_id: UUID) -> int:
        began = time.monotonic()
        try:
            step = await self._executor.step(bulk_id, self._clock.now())
        except Exception as error:  # the others go on: this one may wait for a lock, or read too much
            log.warning("a bulk operation goes on later", bulk=str(bulk_id), error=error, exc_info=error)
            step = Step(goes_on_at=self._clock.now() + _AFTER_ERROR)
        now = self._clock.now()
        self._goes_on_at[bulk_id] = min(step.goes_on_at or now + _LONGEST, now + _LOOK_AGAIN)
        for run_id in step.stopping:
            self._hints.cancel(run_id)
        if step.dealt_with:
            self._hints.wake()
        await asyncio.sleep(time.monotonic() - began)
        return step.dealt_with

    def pause(self) -> timedelta:
        """The time until an operation may go on, within bounds: another process may have made a new one."""
        now = self._clock.now()
        waits = [at - now for at in self._goes_on_at.values()]
        return min(max(min(waits, default=_LONGEST), _SHORTEST), _LONGEST)
