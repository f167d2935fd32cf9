"""`rebuild` makes rows from the log, leaves sound ones alone, and deletes those that have no stream."""

import asyncio
from uuid import UUID

import pytest

from duebook_common.domain.job.events import JobPaused
from duebook_common.domain.run.commands import Succeed
from duebook_common.integrity.rebuild import rebuild
from duebook_common.store.database import Pool, transaction
from duebook_common.store.departure import alone
from duebook_common.store.eventstore import Write, append
from duebook_common.store.run_handling import RunWork, handle_runs
from support.bookkeeping import ACTOR, NOW, check_invariants, created, dispatched, started, waiting
from support.samples import DAY

_COPY = "CREATE TABLE copy AS SELECT * FROM {table}"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET reason = 'x'",
        "UPDATE jobs SET tags = '{x}'",
        "DELETE FROM jobs",
        "UPDATE runs SET attempt = 7",
        "DELETE FROM runs",
    ],
)
async def test_a_wrong_or_missing_row_is_written_anew(pool: Pool, statement: str) -> None:
    await started(pool)
    await pool.execute(statement)
    summary = await rebuild(pool)
    assert (summary.streams, summary.replaced) == (2, 1)
    await check_invariants(pool)


async def test_a_moved_wake_at_is_left_alone(pool: Pool) -> None:
    run = await dispatched(pool)
    await pool.execute("UPDATE runs SET wake_at = $1", NOW + DAY)
    assert (await rebuild(pool)).replaced == 0
    assert await pool.fetchval("SELECT wake_at FROM runs WHERE run_id = $1", run.id) == NOW + DAY


async def test_rows_without_a_stream_are_deleted(pool: Pool) -> None:
    await dispatched(pool)
    await pool.execute("CREATE TABLE copies AS SELECT * FROM jobs; UPDATE copies SET job_id = gen_random_uuid()")
    await pool.execute("INSERT INTO jobs SELECT * FROM copies")
    assert (await rebuild(pool)).replaced == 1
    await check_invariants(pool)


async def test_a_writer_that_waits_for_a_rebuild_updates_the_new_row(pool: Pool) -> None:
    run = await started(pool)
    await pool.execute("DELETE FROM runs")
    async with transaction(pool) as db:
        await db.execute("LOCK TABLE runs IN SHARE MODE")  # the rebuild may read, and waits before it writes
        task = asyncio.create_task(rebuild(pool))
        await waiting(pool, task)
        work = [RunWork(run.id, Succeed(run.attempt, None, NOW), run)]
        writer = asyncio.create_task(handle_runs(pool, work, ACTOR))
        await waiting(pool, writer, count=2)
    await asyncio.gather(task, writer)
    await check_invariants(pool)


async def test_a_rebuild_of_sound_rows_waits_for_no_writer(pool: Pool) -> None:
    await started(pool)
    async with transaction(pool) as db:
        await append(db, [Write("x", 0, [JobPaused(reason=None, at=NOW)], UUID(int=1))])
        assert (await rebuild(pool)).replaced == 0


async def test_no_period_leaves_during_a_rebuild(pool: Pool) -> None:
    await created(pool)
    async with transaction(pool) as db:
        await db.execute("SELECT pg_advisory_xact_lock(7238, slice) FROM generate_series(0, 1023) AS slice")
        task = asyncio.create_task(rebuild(pool))
        await waiting(pool, task)
        async with alone(pool) as leaving:
            assert leaving is None
    await task
    async with alone(pool) as leaving:
        assert leaving is not None


async def test_a_stream_that_is_being_rebuilt_waits_for_its_writer(pool: Pool) -> None:
    job_id = await created(pool)
    async with transaction(pool) as db:
        await db.execute("SELECT pg_advisory_xact_lock(7238, slice) FROM generate_series(0, 1023) AS slice")
        task = asyncio.create_task(rebuild(pool))
        await waiting(pool, task)
        assert not task.done()
        await db.execute("UPDATE jobs SET reason = 'x' WHERE job_id = $1", job_id)
    assert (await task).replaced == 1
