"""A scheduler's dispatcher and admission on one database, with a clock that a test sets, and without a broker."""

import asyncio
import traceback
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.run.state import Run
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.settings import read
from duebook_common.store.database import Clock, Pool, connect
from duebook_scheduler.admission import Admission
from duebook_scheduler.dispatch import Dispatcher
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.settings import SchedulerSettings
from support.bookkeeping import ACTOR, NOW, serve

T = TypeVar("T")

MISFIRE, SHORTLY = timedelta(hours=2), timedelta(milliseconds=10)
_NEXT_DUE = "SELECT min(wake_at) FROM jobs WHERE job_id = ANY($1) AND wake_at > $2"


class SetClock(Clock):
    """A clock that shows the time to which it was set."""

    def __init__(self) -> None:
        super().__init__()
        self.time = NOW

    def now(self) -> datetime:
        return self.time


class OtherClock(Clock):
    """The clock of another machine: it is ahead by `offset`."""

    def __init__(self, clock: Clock, offset: timedelta) -> None:
        super().__init__()
        self._other, self._ahead_by = clock, offset

    def now(self) -> datetime:
        return self._other.now() + self._ahead_by


class NoSender(RunSender):
    """Sends nothing, because there is no broker."""

    connected, held_queues = True, frozenset[str]()

    def __init__(self) -> None:
        pass

    async def send(self, runs: Sequence[Run], *, bury: bool = False) -> None:
        pass


class World:
    """The dispatcher and the admission of a scheduler on one database, with the event loop on which they run."""

    def __init__(self, url: str, look_ahead: timedelta = 2 * SHORTLY, misfire: timedelta = MISFIRE) -> None:
        self._runner, self._stack = asyncio.Runner(), AsyncExitStack()
        names = {"POSTGRES": url, "RABBITMQ": "amqp://127.0.0.1/", "REDIS": "redis://127.0.0.1/"}
        settings = read(SchedulerSettings, {f"DUEBOOK_{name}_URL": value for name, value in names.items()})
        settings = settings.model_copy(update={"misfire": misfire, "look_ahead": look_ahead})
        self.clock, self.numbers = SetClock(), count(1)
        self.pool: Pool = self.run(self._stack.enter_async_context(connect(url, "machine", size=4)))
        self.run(serve(self.pool))
        self._hints = self.run(self._stack.enter_async_context(Hints("redis://127.0.0.1:1")))
        self._poll = PollContext(self.pool, self.clock, settings, ACTOR)
        self.dispatcher = self.new_dispatcher(NoSender())
        self.admission = Admission(self._poll)

    def new_dispatcher(self, sender: RunSender, clock: Clock | None = None) -> Dispatcher:
        poll = self._poll if clock is None else replace(self._poll, clock=clock)
        return Dispatcher(poll, sender, DispatchWindow(10_000), self._hints)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(work)
        except CommandRejected:
            raise
        except BaseException:
            # Where examples begin alike hypothesis hides it, and blames the strategies: "stopped drawing earlier".
            traceback.print_exc()
            raise

    def go_to_next_due_time(self, jobs: Sequence[UUID]) -> None:
        """Set the clock shortly before the next of these jobs is due, so that the dispatcher decides it ahead."""
        next_due: datetime | None = self.run(self.pool.fetchval(_NEXT_DUE, jobs, self.clock.time + SHORTLY))
        if next_due is not None:
            self.clock.time = next_due - SHORTLY

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()
