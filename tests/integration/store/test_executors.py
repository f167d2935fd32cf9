"""Registered executors: which tasks they have, and which waiting runs their registration wakes."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from duebook_common.domain.run.commands import DeferRun
from duebook_common.domain.run.state import Run
from duebook_common.store import executors
from duebook_common.store.database import Pool, acquire, transaction
from support.bookkeeping import NOW, dispatched, do, eventually

_AWAKE = "SELECT run_id FROM runs WHERE wake_at <= clock_timestamp()"
_ASLEEP = "UPDATE runs SET wake_at = clock_timestamp() + interval '1 hour'"
_NOT_BEFORE = "UPDATE runs SET not_before = clock_timestamp() + interval '1 minute' WHERE run_id = $1"
_SERVICE = """
INSERT INTO services (instance_id, service, host, version, schema, tzdata, settings, draining, started_at, seen_at)
VALUES (gen_random_uuid(), $1, 'host', '1', '1', '1', '{}', $3, now(), now() - $2 * interval '1 second')
"""
_LOCK = "SELECT FROM runs WHERE run_id = $1 FOR UPDATE"
_SILENT = "UPDATE executors SET seen_at = clock_timestamp() - interval '2 minutes' WHERE executor = $1"


async def deferred(pool: Pool, **fields: Any) -> Run:
    """A run that waits for its task, and is not looked at for an hour."""
    run = await dispatched(pool, **fields)
    await do(pool, run, DeferRun(run.dispatch, "executor", NOW, 0.5))
    await pool.execute(_ASLEEP)
    return run


async def register(pool: Pool, executor: str, queues: list[str], tasks: list[str]) -> None:
    """Register the executor, and wake the runs that waited for it."""
    served = await executors.register(pool, executor, queues, tasks)
    if served is not None:
        await executors.wake_runs(pool, served)


async def awake(pool: Pool) -> set[UUID]:
    return {record["run_id"] for record in await pool.fetch(_AWAKE)}


async def test_a_registration_wakes_the_runs_that_wait_for_its_tasks(pool: Pool) -> None:
    mine = await deferred(pool, task="report", queue="gpu")
    await deferred(pool, task="report", queue="cpu")
    await deferred(pool, task="other", queue="gpu")
    await register(pool, "first", ["gpu"], ["log", "report"])
    assert await awake(pool) == {mine.id}
    await pool.execute(_ASLEEP)
    await register(pool, "second", ["gpu"], ["report"])
    assert await awake(pool) == set(), "nothing waits for a task that another executor has"


async def test_an_executor_that_was_silent_for_a_minute_counts_as_gone(pool: Pool) -> None:
    await executors.register(pool, "first", ["gpu"], ["report"])
    assert await executors.renew(pool, "first")
    await pool.execute(_SILENT, "first")
    run = await deferred(pool, task="report", queue="gpu")
    async with acquire(pool) as db:
        assert await executors.with_executor(db, [("gpu", "report")]) == set()
        assert await executors.served_tasks(db) == {}
    assert not await executors.renew(pool, "first")
    await register(pool, "first", ["gpu"], ["report"])
    assert await awake(pool) == {run.id}


async def test_an_executor_that_drains_has_no_task_and_still_says_what_it_does(pool: Pool) -> None:
    await executors.register(pool, "first", ["gpu"], ["report"], executors.About("host-1", "0.1.0", 10))
    run = await deferred(pool, task="report", queue="gpu")
    await executors.drain(pool, "first", executors.Work(1, [run.id]))
    async with acquire(pool) as db:
        assert await executors.served_tasks(db) == {}
        assert await executors.with_executor(db, [("gpu", "report")]) == set()
    row = await pool.fetchrow("SELECT slots, running, doing, draining FROM executors")
    assert tuple(row or ()) == (10, 1, [run.id], True)
    await register(pool, "second", ["gpu"], ["report"])
    assert await awake(pool) == {run.id}, "no other executor had its task"


@pytest.mark.parametrize("gone", ["left", "lost"])
async def test_a_row_that_is_gone_is_registered_anew(pool: Pool, gone: str) -> None:
    await executors.register(pool, "first", ["default"], ["log", "report"])
    async with acquire(pool) as db:
        assert await executors.with_executor(db, [("default", "report"), ("default", "x")]) == {("default", "report")}
        assert await executors.served_tasks(db) == {"default": {"log", "report"}}
    await (executors.leave(pool, "first") if gone == "left" else pool.execute("TRUNCATE executors"))
    async with acquire(pool) as db:
        assert await executors.served_tasks(db) == {}
    assert not await executors.renew(pool, "first")


async def test_a_registration_is_kept_however_long_it_takes_to_wake_what_waits(pool: Pool) -> None:
    """Else a backlog that takes longer to wake than a statement may take would keep its executor out for ever."""
    run = await deferred(pool, task="report", queue="gpu")
    async with transaction(pool) as db:
        await db.execute(_LOCK, run.id)
        registering = asyncio.create_task(register(pool, "first", ["gpu"], ["report"]))
        await eventually(lambda: serves(pool))
        assert not registering.done()
    await registering
    assert await awake(pool) == {run.id}


async def test_runs_are_woken_in_batches_until_none_is_left(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_WOKEN_AT_ONCE", 2)
    waiting = {(await deferred(pool, task="report", queue="gpu")).id for _ in range(5)}
    later = await deferred(pool, task="report", queue="gpu")
    await pool.execute(_NOT_BEFORE, later.id)
    await register(pool, "first", ["gpu"], ["report"])
    assert await awake(pool) == waiting


async def test_slots_for_short_tasks_are_shared_out_to_the_queues_of_an_executor(pool: Pool) -> None:
    for name, queues in (("first", ["gpu", "cpu"]), ("second", ["gpu"])):
        await executors.register(pool, name, queues, ["short", "long"], executors.About("host-1", "0.1.0", 10))
        assert await executors.renew(pool, name, executors.Work(short=["short"]))
    wanted = [("gpu", "short"), ("cpu", "short"), ("cpu", "long"), ("none", "short")]
    async with acquire(pool) as db:
        assert await executors.slots_for_short(db, wanted) == {("gpu", "short"): 15, ("cpu", "short"): 5}


async def test_slots_for_short_tasks_are_shared_out_to_the_schedulers_that_live(pool: Pool) -> None:
    await executors.register(pool, "first", ["gpu"], ["short"], executors.About("host-1", "0.1.0", 1))
    assert await executors.renew(pool, "first", executors.Work(short=["short"]))
    for service, age, draining in [("scheduler", 0, False)] * 2 + [("scheduler", 90, False), ("api", 0, False)]:
        await pool.execute(_SERVICE, service, age, draining)
    await pool.execute(_SERVICE, "scheduler", 0, True)
    async with acquire(pool) as db:
        assert await executors.slots_for_short(db, [("gpu", "short")]) == {("gpu", "short"): 0.5}


async def serves(pool: Pool) -> bool:
    async with acquire(pool) as db:
        return await executors.with_executor(db, [("gpu", "report")]) == {("gpu", "report")}
