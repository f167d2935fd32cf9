"""Any number of schedulers poll at once: each due occurrence is dispatched once, and overlap policies hold."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.commands import TriggerRun
from duebook_common.domain.run.commands import Succeed
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.settings import read
from duebook_common.store.database import Clock, Connection, Pool, connect, transaction
from duebook_common.store.eventstore import Write, append
from duebook_common.store.job_handling import create_jobs, handle_job, load_locked
from duebook_common.store.job_plan import LockedJob
from duebook_common.store.locks import lock_jobs
from duebook_scheduler.dispatch import Dispatcher
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.settings import SchedulerSettings
from support.bookkeeping import ACTOR, check_invariants, context, created, definition, do, log, meanwhile, serve, start
from support.samples import SECOND
from support.schedulers import RecordingSender

_DUE = "SELECT count(*) FROM jobs WHERE wake_at <= clock_timestamp()"


@asynccontextmanager
async def new_dispatcher(url: str, sender: RecordingSender, batch: int = 25) -> AsyncIterator[Dispatcher]:
    """A dispatcher with a pool of its own, as each scheduler has one."""
    names = {"POSTGRES": url, "RABBITMQ": "amqp://127.0.0.1/", "REDIS": "redis://127.0.0.1/"}
    settings = read(SchedulerSettings, {f"DUEBOOK_{name}_URL": value for name, value in names.items()})
    settings = settings.model_copy(update={"batch": batch})
    async with connect(url, "dispatcher", size=4) as pool, Hints("redis://127.0.0.1:1") as hints:
        yield Dispatcher(PollContext(pool, Clock(), settings, ACTOR), sender, DispatchWindow(10_000), hints)


async def create_due_jobs(pool: Pool, count: int, together: int, **changes: Any) -> list[UUID]:
    """Create daily jobs that are due now; `together` of them share one slice of the locks."""
    now = datetime.now(UTC) - SECOND
    ids = [UUID(int=(n << 20) + 7) for n in range(1, together + 1)] + [uuid4() for _ in range(count - together)]
    new = job_decide.create(ids[0], definition(recurrence="daily", scheduled_at=now, **changes), now)
    await serve(pool)
    await create_jobs(pool, dict.fromkeys(ids, new), ACTOR)
    return ids


def another_run(now: datetime) -> TriggerRun:
    """Start a run of the job, whatever is active."""
    return TriggerRun(uuid4(), Overlap.ALLOW_ALL, context(now))


async def make_undecidable(pool: Pool, job_id: UUID) -> None:
    """Append an event that the job's row does not have."""
    async with transaction(pool) as db:
        event = job_events.JobPaused(reason=None, at=datetime.now(UTC))
        await append(db, [Write(job_events.stream(job_id), 1, [event], job_id)])


async def dispatch_all(pool: Pool, dispatchers: Sequence[Dispatcher]) -> None:
    """Step all dispatchers at once until no job is due."""

    async def dispatch(dispatcher: Dispatcher) -> None:
        async with asyncio.timeout(30):
            while await pool.fetchval(_DUE):
                await dispatcher.step()

    await asyncio.gather(*map(dispatch, dispatchers))


async def test_each_due_occurrence_is_dispatched_once_by_three_dispatchers(pool: Pool, postgres_url: str) -> None:
    ids, sender = await create_due_jobs(pool, 150, together=40), RecordingSender()
    async with AsyncExitStack() as stack:
        dispatchers = [await stack.enter_async_context(new_dispatcher(postgres_url, sender)) for _ in range(3)]
        await dispatch_all(pool, dispatchers)
    assert sorted(run.job_id for run in sender.runs) == sorted(ids)
    assert [recorded.type for recorded in await log(pool)].count("RunDispatched") == 150
    await check_invariants(pool)


async def test_a_dispatcher_skips_locked_jobs_and_decides_the_others(pool: Pool, postgres_url: str) -> None:
    ids, sender = await create_due_jobs(pool, 12, together=4), RecordingSender()
    async with new_dispatcher(postgres_url, sender) as dispatcher:
        async with transaction(pool) as db:
            await lock_jobs(db, ids[:1])
            await dispatcher.step()
            assert not {run.job_id for run in sender.runs} & set(ids[:4])
        await dispatch_all(pool, [dispatcher])
    assert sorted(run.job_id for run in sender.runs) == sorted(ids)


async def test_an_occurrence_due_while_a_run_is_active_is_skipped_once(pool: Pool, postgres_url: str) -> None:
    ids, sender = await create_due_jobs(pool, 10, together=5), RecordingSender()
    for id_ in ids:
        await handle_job(pool, id_, another_run(datetime.now(UTC)), ACTOR)
    async with AsyncExitStack() as stack:
        dispatchers = [await stack.enter_async_context(new_dispatcher(postgres_url, sender, 3)) for _ in range(2)]
        await dispatch_all(pool, dispatchers)
    assert sender.runs == []
    skipped = [recorded for recorded in await log(pool) if recorded.type == "RunSkipped"]
    assert sorted(str(recorded.job_id) for recorded in skipped) == sorted(map(str, ids))
    assert {recorded.data["reason"] for recorded in skipped} == {"overlap"}
    await check_invariants(pool)


async def test_a_job_with_a_version_conflict_is_decided_alone(
    pool: Pool, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, sender = await create_due_jobs(pool, 10, together=5, overlap=Overlap.CANCEL_OTHER), RecordingSender()
    now = datetime.now(UTC)
    result = await handle_job(pool, ids[0], another_run(now), ACTOR)
    assert result is not None
    (run,) = result.runs
    await do(pool, run, start(run, now))
    batches: list[int] = []

    async def load_and_let_the_run_end(db: Connection, job_ids: Iterable[UUID]) -> list[LockedJob]:
        jobs = await load_locked(db, job_ids)
        if not batches:
            meanwhile(postgres_url, lambda other: do(other, run, Succeed(1, None, now)))
        batches.append(len(jobs))
        return jobs

    monkeypatch.setattr("duebook_scheduler.dispatch.load_locked", load_and_let_the_run_end)
    async with new_dispatcher(postgres_url, sender) as dispatcher:
        await dispatcher.step()
    assert sorted(run.job_id for run in sender.runs) == sorted(ids)
    assert batches == [10, 9, 1]
    await check_invariants(pool)


async def test_a_failing_job_is_deferred_and_the_others_run(pool: Pool, postgres_url: str) -> None:
    ids, sender = await create_due_jobs(pool, 6, together=1), RecordingSender()
    await make_undecidable(pool, ids[0])
    async with new_dispatcher(postgres_url, sender) as dispatcher:
        for _ in range(3):
            await dispatcher.step()
    assert sorted(run.job_id for run in sender.runs) == sorted(ids[1:])


async def test_a_queue_that_is_not_ready_gets_no_runs_and_keeps_none_from_others(pool: Pool, postgres_url: str) -> None:
    sender = RecordingSender()
    sender.held_queues = frozenset({"slow"})
    for queue in ("slow", "default"):
        await serve(pool, queue)
        await created(pool, queue=queue)
    async with new_dispatcher(postgres_url, sender) as dispatcher:
        await dispatcher.step()
        assert [run.queue for run in sender.runs] == ["default"]
        sender.held_queues = frozenset()
        await dispatcher.step()
    assert [run.queue for run in sender.runs] == ["default", "slow"]


async def test_the_backlog_of_one_queue_does_not_delay_another(pool: Pool, postgres_url: str) -> None:
    due_at = datetime.now(UTC) - 10 * SECOND
    for seconds, queue in enumerate(("resumed", "resumed", "resumed", "default")):
        await created(pool, queue=queue, scheduled_at=due_at + seconds * SECOND)
    async with new_dispatcher(postgres_url, RecordingSender(), batch=2) as dispatcher:
        await dispatcher.step()
    runs = await pool.fetch("SELECT queue FROM runs ORDER BY queue")
    assert [run["queue"] for run in runs] == ["default", "resumed"]


async def test_a_job_whose_lock_others_hold_again_and_again_is_dispatched(postgres_url: str, pool: Pool) -> None:
    """One job of the same slice is kept busy, as by a client that triggers it all the time; one cannot be decided."""
    failing, job_id = await create_due_jobs(pool, 2, together=2)
    await make_undecidable(pool, failing)
    sender, busy, is_busy = RecordingSender(), UUID(int=(99 << 20) + 7), asyncio.Event()

    async def keep_busy() -> None:
        while not sender.runs:
            async with transaction(pool) as db:
                await lock_jobs(db, [busy])
                is_busy.set()
                await asyncio.sleep(0.02)

    async with new_dispatcher(postgres_url, sender) as dispatcher, asyncio.timeout(30):
        rivals = [asyncio.create_task(keep_busy()) for _ in range(3)]
        await is_busy.wait()
        while not sender.runs:
            await dispatcher.step()
            await asyncio.sleep(0.01)
        await asyncio.gather(*rivals)
        await dispatcher.close()
    assert [run.job_id for run in sender.runs] == [job_id]
    await check_invariants(pool, {job_id})
