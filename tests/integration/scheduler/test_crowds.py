"""Many jobs that are due together are decided longer ahead, and sent so that they take no slot of an executor early."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.job import decide
from duebook_common.domain.run.state import Run
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.settings import read
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import create_jobs
from duebook_scheduler import crowds
from duebook_scheduler.dispatch import Dispatcher
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.settings import SchedulerSettings
from support.bookkeeping import ACTOR, NOW, check_invariants, definition, serve
from support.samples import MINUTE, SECOND
from support.scheduler_world import NoSender, SetClock

INSTANT = NOW + MINUTE
URLS = {"POSTGRES": "postgresql://h/d", "RABBITMQ": "amqp://127.0.0.1/", "REDIS": "redis://127.0.0.1/"}
SETTINGS = read(SchedulerSettings, {f"DUEBOOK_{name}_URL": value for name, value in URLS.items()})


class Sender(NoSender):
    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[UUID] = []

    async def send(self, runs: Sequence[Run], *, bury: bool = False) -> None:
        self.jobs += [run.job_id for run in runs]


class Crowd:
    """A dispatcher, and a hundred jobs that are due at one instant."""

    def __init__(self, pool: Pool, hints: Hints) -> None:
        self.pool, self.clock, self.sender = pool, SetClock(), Sender()
        self.ids = [uuid4() for _ in range(100)]
        context = PollContext(pool, self.clock, SETTINGS, ACTOR)
        self.dispatcher = Dispatcher(context, self.sender, DispatchWindow(10_000), hints)

    async def poll(self, before: timedelta) -> int:
        """Pass until nothing is left, so long before the instant; returns how many jobs were decided.

        One pass ends after some time, on a slow machine.
        """
        self.clock.time = INSTANT - before
        runs = await self._runs()
        while await self.dispatcher.step():
            pass
        return await self._runs() - runs

    async def _runs(self) -> int:
        runs: int = await self.pool.fetchval("SELECT count(*) FROM runs")
        return runs


@pytest.fixture
async def crowd(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Crowd]:
    monkeypatch.setattr(crowds, "_PER_SECOND", 50)
    await serve(pool)
    async with Hints("redis://127.0.0.1:1") as hints:
        crowd = Crowd(pool, hints)
        due = definition(scheduled_at=INSTANT)
        assert await create_jobs(pool, {id_: decide.create(id_, due, NOW) for id_ in crowd.ids}, ACTOR)
        yield crowd


async def test_a_crowd_is_decided_ahead_and_sent_shortly_before_its_instant(pool: Pool, crowd: Crowd) -> None:
    lead = SETTINGS.look_ahead + 2.2 * SECOND
    assert await crowd.poll(4.4 * SECOND) == 0
    assert await crowd.poll(lead + 0.1 * SECOND) == 0
    assert crowd.dispatcher.next_due == INSTANT - lead
    assert await crowd.poll(lead) == 100
    assert crowd.sender.jobs == []
    assert await crowd.poll(SECOND) == 0
    assert crowd.dispatcher.next_due == INSTANT - 0.4 * SECOND
    await crowd.poll(0.4 * SECOND)
    assert sorted(crowd.sender.jobs) == sorted(crowd.ids)
    await check_invariants(pool, set(crowd.ids))


async def test_a_crowd_of_a_short_task_is_sent_at_once(pool: Pool, crowd: Crowd) -> None:
    await pool.execute("UPDATE executors SET slots = 1, short = tasks")
    assert await crowd.poll(2 * SECOND) == 100
    assert sorted(crowd.sender.jobs) == sorted(crowd.ids)


async def test_what_was_decided_ahead_is_sent_when_the_scheduler_stops(pool: Pool, crowd: Crowd) -> None:
    assert await crowd.poll(2 * SECOND) == 100
    await crowd.dispatcher.close()
    assert sorted(crowd.sender.jobs) == sorted(crowd.ids)
