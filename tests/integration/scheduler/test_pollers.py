"""Any number of schedulers poll at once: each due occurrence is dispatched once, and overlap policies hold."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.commands import TriggerRun
from duebook_common.domain.run.commands import Succeed
from duebook_common.domain.run.state import Run
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.settings import read
from duebook_common.store.database import Clock, Connection, Pool, connect, transaction
from duebook_common.store.eventstore import Write, append
from duebook_common.store.job_handling import create_jobs, handle_job, load_locked
from duebook_common.store.job_plan import LockedJob
from duebook_common.store.locks import lock_jobs
from duebook_scheduler.dispatch import Dispatcher
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.settings import SchedulerSettings
from support.bookkeeping import ACTOR, check_books, context, definition, do, log, meanwhile, start

SECOND = timedelta(seconds=1)
_DUE = "SELECT count(*) FROM jobs WHERE wake_at <= clock_timestamp()"


class Sent(RunSender):
    """What would have gone to the broker."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    async def flush(self) -> bool:
        return True

    async def send(self, runs: Sequence[Run], *, bury: bool = False) -> None:
        self.runs += runs


@asynccontextmanager
async def poller(url: str, sent: Sent, batch: int = 25) -> AsyncIterator[Dispatcher]:
    names = {"POSTGRES": url, "RABBITMQ": "amqp://127.0.0.1/", "REDIS": "redis://127.0.0.1/"}
    settings = read(SchedulerSettings, {f"DUEBOOK_{name}_URL": value for name, value in names.items()})
    settings = settings.model_copy(update={"batch": batch})
    async with connect(url, "poller", size=4) as pool, Hints("redis://127.0.0.1:1") as hints:
        yield Dispatcher(pool, Clock(), sent, DispatchWindow(10_000), hints, settings, ACTOR)


async def many_due(pool: Pool, count: int, together: int, **changes: Any) -> list[UUID]:
    """Daily jobs that are due now; `together` of them stand in one slice of the locks."""
    now = datetime.now(UTC) - SECOND
    ids = [UUID(int=(n << 20) + 7) for n in range(1, together + 1)] + [uuid4() for _ in range(count - together)]
    new = job_decide.create(ids[0], definition(recurrence="daily", scheduled_at=now, **changes), now)
    await create_jobs(pool, dict.fromkeys(ids, new), ACTOR)
    return ids


def another_run(now: datetime) -> TriggerRun:
    """Start a run of the job, whatever is active."""
    return TriggerRun(uuid4(), Overlap.ALLOW_ALL, context(now))


async def poll_until_nothing_is_due(pool: Pool, pollers: Sequence[Dispatcher]) -> None:
    async def poll(one: Dispatcher) -> None:
        async with asyncio.timeout(30):
            while await pool.fetchval(_DUE):
                await one.step()

    await asyncio.gather(*map(poll, pollers))


async def test_each_due_occurrence_is_dispatched_once_by_one_of_many_pollers(pool: Pool, postgres_url: str) -> None:
    ids, sent = await many_due(pool, 150, together=40), Sent()
    async with AsyncExitStack() as stack:
        pollers = [await stack.enter_async_context(poller(postgres_url, sent)) for _ in range(3)]
        await poll_until_nothing_is_due(pool, pollers)
    assert sorted(run.job_id for run in sent.runs) == sorted(ids)
    assert [recorded.type for recorded in await log(pool)].count("RunDispatched") == 150
    await check_books(pool)


async def test_a_poller_passes_by_what_another_decides_and_does_the_rest(pool: Pool, postgres_url: str) -> None:
    ids, sent = await many_due(pool, 12, together=4), Sent()
    async with poller(postgres_url, sent) as one:
        async with transaction(pool) as db:
            await lock_jobs(db, ids[:1])
            await one.step()
            assert not {run.job_id for run in sent.runs} & set(ids[:4])
        await poll_until_nothing_is_due(pool, [one])
    assert sorted(run.job_id for run in sent.runs) == sorted(ids)


async def test_an_occurrence_due_while_a_run_is_active_is_skipped_once(pool: Pool, postgres_url: str) -> None:
    ids, sent = await many_due(pool, 10, together=5), Sent()
    for id_ in ids:
        await handle_job(pool, id_, another_run(datetime.now(UTC)), ACTOR)
    async with AsyncExitStack() as stack:
        pollers = [await stack.enter_async_context(poller(postgres_url, sent, 3)) for _ in range(2)]
        await poll_until_nothing_is_due(pool, pollers)
    assert sent.runs == []
    told = [recorded for recorded in await log(pool) if recorded.type == "RunSkipped"]
    assert sorted(recorded.job_id for recorded in told) == sorted(ids)
    assert {recorded.data["reason"] for recorded in told} == {"overlap"}
    await check_books(pool)


async def test_a_job_whose_run_moves_on_meanwhile_is_decided_apart_and_the_others_together(
    pool: Pool, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, sent = await many_due(pool, 10, together=5, overlap=Overlap.CANCEL_OTHER), Sent()
    now = datetime.now(UTC)
    opened = await handle_job(pool, ids[0], another_run(now), ACTOR)
    assert opened is not None
    (run,) = opened.runs
    await do(pool, run, start(run, now))
    together: list[int] = []

    async def load_and_let_the_run_end(db: Connection, job_ids: Iterable[UUID]) -> list[LockedJob]:
        jobs = await load_locked(db, job_ids)
        if not together:
            meanwhile(postgres_url, lambda other: do(other, run, Succeed(1, None, now)))
        together.append(len(jobs))
        return jobs

    monkeypatch.setattr("duebook_scheduler.dispatch.load_locked", load_and_let_the_run_end)
    async with poller(postgres_url, sent) as one:
        assert await one.step() == 10
    assert sorted(run.job_id for run in sent.runs) == sorted(ids)
    assert together == [10, 9, 1]
    await check_books(pool)


async def test_a_poisonous_job_is_set_aside_and_the_others_run(pool: Pool, postgres_url: str) -> None:
    ids, sent = await many_due(pool, 6, together=1), Sent()
    async with transaction(pool) as db:  # its row says what its stream does not
        event = job_events.JobPaused(reason=None, at=datetime.now(UTC))
        await append(db, [Write(job_events.stream(ids[0]), 1, [event], ids[0])])
    async with poller(postgres_url, sent) as one:
        for _ in range(3):
            await one.step()
    assert sorted(run.job_id for run in sent.runs) == sorted(ids[1:])
