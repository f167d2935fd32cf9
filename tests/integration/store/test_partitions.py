"""A stream lies in the period in which it was opened, whatever is appended to it when."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from duebook_common.domain.job.commands import PauseJob
from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.periods import PeriodLength
from duebook_common.domain.queue.events import QueuePaused
from duebook_common.store.database import Pool, connect, transaction
from duebook_common.store.eventstore import PERMANENT, Write, append
from duebook_common.store.job_handling import create_each, create_jobs, handle_job
from duebook_common.store.job_plan import NewJob
from duebook_common.store.partitions import open_current_period, open_period
from support.bookkeeping import ACTOR, NOW, check_invariants, context, created, definition, started, waiting
from support.leaving import all_periods

DAY = timedelta(days=1)
LATER = datetime.fromisoformat("2999-01-01T00:00:00Z")


async def test_a_stream_goes_on_in_the_period_of_its_birth(pool: Pool) -> None:
    old = await created(pool, scheduled_at=NOW + DAY)
    recurring = await created(pool, recurrence="daily", scheduled_at=NOW + DAY)
    [first] = await all_periods(pool)
    await opened(pool, LATER)
    for job_id in (old, recurring):
        await handle_job(pool, job_id, PauseJob("a test", context()), ACTOR)
    new = await created(pool)
    assert await born(pool, old) == [first.born] * 2
    assert await born(pool, recurring) == [PERMANENT] * 2
    assert await born(pool, new) == [LATER]
    assert [(period.born, period.status) for period in await all_periods(pool)] == [
        (first.born, "closed"),
        (LATER, "open"),
    ]
    await check_invariants(pool)


async def test_a_run_lies_in_the_period_in_which_it_was_opened(pool: Pool) -> None:
    run = await started(pool)
    [period] = await all_periods(pool)
    assert await pool.fetchval("SELECT born FROM runs WHERE run_id = $1", run.id) == period.born
    assert await pool.fetch("SELECT FROM events WHERE stream = $1 AND born <> $2", f"run-{run.id}", period.born) == []


async def test_a_period_opens_once_and_never_before_another(pool: Pool) -> None:
    async with transaction(pool) as db:
        assert not await open_current_period(db, PeriodLength.MONTH)
        assert await open_current_period(db, PeriodLength.HOUR) == (
            await db.fetchval("SELECT count(*) FROM periods") == 2
        )
    await opened(pool, LATER)
    async with transaction(pool) as db:
        assert not await open_period(db, LATER)
        assert not await open_period(db, NOW)


async def test_a_period_opens_beside_readers_and_writers(pool: Pool) -> None:
    async with transaction(pool) as writer:
        line = "INSERT INTO log_lines (job_id, run_id, attempt, message, logged_at) SELECT $1, $1, 1, 'm', now()"
        await writer.execute(line, uuid4())
        await append(writer, [Write("queue-q", 0, [QueuePaused(reason=None, at=NOW)], None, born=PERMANENT)])
        async with transaction(pool) as db:
            await db.execute("SET LOCAL lock_timeout = '2s'")
            assert await open_period(db, LATER)


async def test_a_job_is_created_once_in_whatever_period(pool: Pool) -> None:
    job_id, event = uuid4(), JobCreated(definition=definition(), next_at=NOW, at=NOW)
    assert await create_each(pool, [NewJob(job_id, event, ACTOR)]) != [None]
    await opened(pool, LATER)
    assert await create_each(pool, [NewJob(job_id, event, ACTOR)]) == [None]
    assert await create_jobs(pool, {job_id: event}, ACTOR) is None
    assert len(await born(pool, job_id)) == 1


async def test_one_of_two_creates_a_job_while_a_period_opens(pool: Pool) -> None:
    """Each is in a period of its own, so the key of the log sees no conflict: that of the row does."""
    job_id, event = uuid4(), JobCreated(definition=definition(), next_at=NOW, at=NOW)
    async with transaction(pool) as db:
        await db.execute("INSERT INTO jobs SELECT (jsonb_populate_record(NULL::jobs, $1)).*", row_of(job_id))
        second = asyncio.create_task(create_jobs(pool, {job_id: event}, ACTOR))
        await waiting(pool, second)
    assert await second is None
    assert await born(pool, job_id) == []


@pytest.mark.parametrize("table", ["events", "events_kept", "only period"])
async def test_no_partition_lets_an_event_be_changed(pool: Pool, table: str) -> None:
    await started(pool)
    await created(pool, recurrence="daily")
    [period] = await all_periods(pool)
    part = f"events_{period.born:%Y%m%d%H%M}" if table == "only period" else table
    for statement in ("DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET data = '{{}}'", "UPDATE {} SET version = 7"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
            await pool.execute(statement.format(part))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await pool.execute("UPDATE events SET born = '-infinity' WHERE version = 1")


@pytest.mark.parametrize("status", ["leaving", "archived"])
async def test_no_event_moves_to_a_period_that_leaves(pool: Pool, status: str) -> None:
    await created(pool, recurrence="daily")
    [period] = await all_periods(pool)
    await opened(pool, LATER)
    await pool.execute("UPDATE periods SET status = $2 WHERE born = $1", period.born, status)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await pool.execute("UPDATE events SET born = $1 WHERE born < $1", period.born)


async def opened(pool: Pool, start: datetime) -> None:
    async with transaction(pool) as db:
        assert await open_period(db, start)


async def born(pool: Pool, job_id: object) -> list[datetime]:
    rows = await pool.fetch("SELECT born FROM events WHERE stream = $1 ORDER BY version", f"job-{job_id}")
    return [row["born"] for row in rows]


def row_of(job_id: object) -> dict[str, object]:
    none = {"version": 1, "stream_version": 1, "definition_version": 1, "priority": 4, "runs": 0, "held": False}
    names = {"name": "n", "task": "log", "queue": "default", "tags": [], "definition": {}, "status": "paused"}
    return {"job_id": str(job_id), **none, **names, "created_at": "now", "updated_at": "now", "born": str(LATER)}


async def test_appends_do_not_read_the_periods_that_have_left(pool: Pool) -> None:
    """An append asks which periods are leaving; years of hours are tens of thousands that have left."""
    hours = "SELECT '2000-01-01Z'::timestamptz + n * interval '1 hour' FROM generate_series(1, 9000) AS n"
    await pool.execute(f"INSERT INTO periods SELECT born, 'archived', now() FROM ({hours}) AS hours (born)")
    await pool.execute("ANALYZE periods")
    plan = await pool.fetch("EXPLAIN SELECT born FROM periods WHERE status = 'leaving'")
    assert "Seq Scan" not in str(plan)


async def test_appends_are_planned_once_however_many_periods_there_are(postgres_url: str) -> None:
    """To plan an append over 60 partitions takes 25 times as long as to run it."""
    plans = "SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE '%asked AS MATERIALIZED%'"
    async with connect(postgres_url, "test", 1) as pool:
        for n in range(40):
            await opened(pool, LATER + n * DAY)
        for _ in range(8):
            await started(pool)
        found = [count for (count,) in await pool.fetch(plans)]
    assert len(found) > 2
    assert 0 not in found
