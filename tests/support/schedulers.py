"""Schedulers without RabbitMQ, on a real database: what they would have sent is kept."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from duebook_common.domain.run.state import Run
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.settings import read
from duebook_common.store.database import Clock, Pool, connect
from duebook_scheduler.admission import Admission
from duebook_scheduler.dispatch import Dispatcher
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.lost_messages import LostMessageDetector
from duebook_scheduler.poll import Poller
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.settings import SchedulerSettings
from duebook_scheduler.waker import Waker
from support.bookkeeping import ACTOR


class RecordingSender(RunSender):
    """Keeps the runs that would have been sent."""

    connected = True
    held_queues: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.runs: list[Run] = []

    async def send(self, runs: Sequence[Run], *, bury: bool = False) -> None:
        self.runs += runs


class NothingLost(LostMessageDetector):
    """Every message is still in its queue."""

    def __init__(self) -> None:
        pass

    async def lost(self, *_: Any) -> set[Any]:
        return set()


@dataclass
class Scheduler:
    """A scheduler without RabbitMQ."""

    pool: Pool
    poller: Poller
    sender: RecordingSender
    waker: Waker

    async def poll(self) -> list[Run]:
        """Poll until nothing is left to do; returns the runs that were sent."""
        self.sender.runs.clear()
        for _ in range(20):
            if not await self.poller.step():
                break
        return self.sender.runs

    async def of_queue(self) -> dict[str, int]:
        rows = await self.pool.fetch("SELECT status, count(*) AS runs FROM runs GROUP BY status")
        return {row["status"]: row["runs"] for row in rows}


@asynccontextmanager
async def new_scheduler(url: str, clock: Clock | None = None, **values: str) -> AsyncIterator[Scheduler]:
    names = {"POSTGRES": url, "RABBITMQ": "amqp://127.0.0.1/", "REDIS": "redis://127.0.0.1/"}
    settings = read(SchedulerSettings, {f"DUEBOOK_{name}_URL": value for name, value in names.items()} | values)
    async with connect(url, "scheduler", size=4) as pool, Hints("redis://127.0.0.1:1") as hints:
        context = PollContext(pool, clock or Clock(), settings, ACTOR)
        sender, window = RecordingSender(), DispatchWindow(10_000)
        dispatcher = Dispatcher(context, sender, window, hints)
        waker = Waker(context, sender, window, NothingLost(), Admission(context))
        yield Scheduler(pool, Poller(context, dispatcher, waker), sender, waker)
