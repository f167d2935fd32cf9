"""The scheduler's wiring: the only place that knows all its parts."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta

from duebook_common.broker import topology
from duebook_common.broker.publisher import Publisher
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.loops import every, guarded
from duebook_common.runtime.service import Check, ServiceContext
from duebook_common.store.database import Clock, Pool, connect
from duebook_common.store.job_handling import Actor
from duebook_scheduler.admission import Admission
from duebook_scheduler.dispatch import Dispatcher
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.lost_messages import LostMessageDetector
from duebook_scheduler.relay import Relay
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.settings import SchedulerSettings
from duebook_scheduler.sweep import Sweeper
from duebook_scheduler.waking import Waker

_RELAY_PAUSE, _SWEEP_PAUSE = timedelta(milliseconds=250), timedelta(seconds=5)


class Poll:
    """One pass over all that is due; between passes it sleeps until the next due time it knows."""

    def __init__(self, dispatcher: Dispatcher, waker: Waker, clock: Clock, settings: SchedulerSettings) -> None:
        self._dispatcher, self._waker, self._clock, self._settings = dispatcher, waker, clock, settings
        self.failing = False

    async def step(self) -> int:
        try:
            found = await self._timed(self._dispatcher.step()) + await self._timed(self._waker.step())
        except Exception:
            self.failing = True
            self._waker.distrust_leases()
            raise
        self.failing = False
        return found

    async def _timed(self, work: Awaitable[int]) -> int:
        """Whoever was held up for long may find leases expired that nobody could prolong."""
        began = time.monotonic()
        found = await guarded(work)
        if time.monotonic() - began > self._settings.lease.total_seconds() / 3:
            self._waker.distrust_leases()
        return found

    def pause(self) -> timedelta:
        """Until the next poll of the cron expression, or the next due time known, whichever is sooner."""
        now = self._clock.now()
        times = [self._settings.next_poll(now), self._dispatcher.next_due, self._waker.next_due]
        return max(min(time for time in times if time is not None) - now, timedelta(0))

    async def check(self) -> None:
        if self.failing:
            raise ConnectionError("the last poll failed")


@asynccontextmanager
async def body(frame: ServiceContext) -> AsyncIterator[None]:
    """Connect, poll, relay; on the way out finish the pass that is under way."""
    settings = frame.settings
    assert isinstance(settings, SchedulerSettings)
    clock, hints, wake = Clock(), Hints(settings.redis_url.get_secret_value()), asyncio.Event()
    async with connect(settings.postgres_url.get_secret_value(), "scheduler") as pool:
        await clock.measure(pool)
        connection = await topology.connect(settings.rabbitmq_url.get_secret_value(), "scheduler")
        async with connection, hints:
            sender = RunSender(Publisher(connection))
            poll = _poll(settings, pool, clock, sender, hints)
            publisher = Publisher(connection)
            frame.health.checks = {
                "postgres": lambda: pool.fetchval("SELECT 1"),
                "rabbitmq": _connected(publisher),
                "poll": poll.check,
            }
            loops = frame.loops
            loops.start("hints", hints.listen(wake))
            loops.start("clock", clock.keep(pool))
            loops.start("poll", every("poll", poll.pause, poll.step, wake))
            loops.start("relay", every("relay", _RELAY_PAUSE, Relay(pool, publisher).step))
            loops.start("sweep", every("sweep", _SWEEP_PAUSE, Sweeper(pool, publisher).step))
            try:
                yield
            finally:
                await loops.stop()
                await sender.drain()


def _poll(settings: SchedulerSettings, pool: Pool, clock: Clock, sender: RunSender, hints: Hints) -> Poll:
    actor, window = Actor(f"scheduler {socket.gethostname()}"), DispatchWindow(settings.dispatch_ahead)
    lost_messages = LostMessageDetector(sender.publisher, settings.lease)
    admission = Admission(pool, clock, settings, actor)
    waker = Waker(pool, clock, sender, window, lost_messages, admission, settings, actor)
    return Poll(Dispatcher(pool, clock, sender, window, hints, settings, actor), waker, clock, settings)


def _connected(publisher: Publisher) -> Check:
    async def check() -> None:
        if not publisher.connected:
            raise ConnectionError("no connection to RabbitMQ")

    return check
