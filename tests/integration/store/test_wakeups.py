"""Moves of `wake_at` without an event: what they move, and what they leave alone."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.definition import Concurrency, Overlap
from duebook_common.domain.job.commands import TriggerRun
from duebook_common.domain.run.commands import (
    CancelRun,
    FailAttempt,
    HoldRun,
    ResumeRun,
    StartAttempt,
    Succeed,
    WakeRun,
)
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.concurrency_keys import first_of_keys
from duebook_common.store.database import Pool, transaction
from duebook_common.store.job_handling import handle_job
from duebook_common.store.wakeups import (
    _MEND_JOBS,
    _MEND_RUNS,
    _WAKE_BY_JOB,
    _WAKE_BY_KEY,
    LONGEST_POSTPONEMENT_OF_JOB,
    mark_buried,
    postpone_jobs,
    postpone_runs,
    postpone_waiting,
    wake_waiting,
)
from support.bookkeeping import ACTOR, NOW, context, created, dispatched, do, start, started, trigger, waiting
from support.query_cost import grow_table, query_cost
from support.samples import DAY, MINUTE

_WOKEN = "SELECT run_id FROM runs WHERE status = 'waiting' AND wake_at <= clock_timestamp() AND job_id = ANY($1)"
_ASLEEP = "UPDATE runs SET wake_at = clock_timestamp() + interval '1 hour' WHERE status = 'waiting'"
_LOCK = "SELECT FROM runs WHERE run_id = $1 FOR UPDATE"
_PAUSE = "INSERT INTO queue_pauses (name, since, version, paused_by) VALUES ('paused', now(), 1, 'test')"
LATER = NOW + 1000 * DAY


async def triggered(pool: Pool, job_id: UUID, now: datetime = NOW) -> Run:
    """A further run of the job, which waits."""
    result = await handle_job(pool, job_id, TriggerRun(uuid4(), Overlap.BUFFER_ALL, context(now)), ACTOR)
    assert result is not None
    (run,) = result.runs
    assert run.status is RunStatus.WAITING
    return run


async def woken(pool: Pool, *runs: Run) -> set[UUID]:
    return {record["run_id"] for record in await pool.fetch(_WOKEN, [run.job_id for run in runs])}


async def wake_times(pool: Pool) -> dict[UUID, datetime | None]:
    return {record["run_id"]: record["wake_at"] for record in await pool.fetch("SELECT run_id, wake_at FROM runs")}


async def test_a_postponed_job_is_never_looked_at_earlier(pool: Pool) -> None:
    job_id = await created(pool)
    for until, expected in ((LATER, LATER), (NOW, LATER)):
        async with transaction(pool) as db:
            await postpone_jobs(db, [job_id], until)
        assert await pool.fetchval("SELECT wake_at FROM jobs") == expected


async def test_postponing_runs_skips_a_locked_row(pool: Pool) -> None:
    """Waiting for a locked row while holding other rows could deadlock with its writer."""
    held, free = await dispatched(pool), await dispatched(pool)
    async with transaction(pool) as db, transaction(pool) as other:
        await other.execute(_LOCK, held.id)
        async with asyncio.timeout(60):
            await postpone_runs(db, [(held, LATER), (free, LATER)])
    assert await wake_times(pool) == {held.id: held.wake_at, free.id: LATER}


async def test_a_run_that_got_an_event_is_not_postponed(pool: Pool) -> None:
    read = await dispatched(pool)
    changed = (await do(pool, read, start(read))).run
    assert changed is not None
    async with transaction(pool) as db:
        await postpone_runs(db, [(read, LATER)])
    assert await wake_times(pool) == {read.id: changed.wake_at}


async def test_a_waiting_run_is_postponed_unless_it_was_woken(pool: Pool) -> None:
    running = await started(pool)
    unchanged, woken_since = await triggered(pool, running.job_id), await triggered(pool, running.job_id)
    await pool.execute("UPDATE runs SET wake_at = $2 WHERE run_id = $1", woken_since.id, NOW)
    async with transaction(pool) as db:
        await postpone_waiting(db, [(run, LATER) for run in (unchanged, woken_since, running)])
    times = await wake_times(pool)
    assert times == {unchanged.id: LATER, woken_since.id: NOW, running.id: running.wake_at}


async def test_postponing_waiting_runs_skips_a_locked_row(pool: Pool) -> None:
    running = await started(pool)
    waiting = await triggered(pool, running.job_id)
    async with transaction(pool) as db, transaction(pool) as other:
        await other.execute(_LOCK, waiting.id)
        async with asyncio.timeout(60):
            await postpone_waiting(db, [(waiting, LATER)])
    assert (await wake_times(pool))[waiting.id] == waiting.wake_at


async def test_a_burial_ends_the_watch_over_that_dispatch_only(pool: Pool) -> None:
    run = await started(pool, max_retries=0)
    dead = (await do(pool, run, FailAttempt(1, "boom", NOW, 0))).run
    assert dead is not None
    for dispatch, wake_at in ((dead.dispatch + 1, dead.wake_at), (dead.dispatch, None)):
        async with transaction(pool) as db:
            await mark_buried(db, dead.id, dispatch)
        assert await wake_times(pool) == {dead.id: wake_at}


async def test_a_burial_moves_only_dead_letters(pool: Pool) -> None:
    run = await started(pool)
    async with transaction(pool) as db:
        await mark_buried(db, run.id, run.dispatch)
    assert await wake_times(pool) == {run.id: run.wake_at}


async def test_the_end_of_a_run_wakes_the_first_that_waits_for_it(pool: Pool) -> None:
    running = await started(pool)
    first, second = await triggered(pool, running.job_id), await triggered(pool, running.job_id, NOW + MINUTE)
    await pool.execute(_ASLEEP)
    result = await do(pool, running, FailAttempt(1, "boom", NOW, 0))
    assert not result.frees, "a retry follows, so the run is still active"
    assert await woken(pool, first) == set()
    result = await do(pool, running, CancelRun(None, NOW))
    assert result.frees
    assert await woken(pool, first, second) == {first.id}


async def test_a_run_that_waits_for_one_just_ending_is_due_at_once(pool: Pool) -> None:
    """The end has locked its row and commits after the decision, so it cannot see the run that waits."""
    running = await started(pool)
    async with transaction(pool) as other:
        await other.execute(_LOCK, running.id)
        waits = await triggered(pool, running.job_id)
        assert await woken(pool, waits) == {waits.id}


async def test_a_run_that_no_run_waits_for_frees_none(pool: Pool) -> None:
    running = await started(pool)
    assert not (await do(pool, running, Succeed(1, None, NOW))).frees


async def test_the_end_of_a_keys_holder_wakes_the_oldest_and_three_spares(pool: Pool) -> None:
    key = Concurrency("k", 1)
    runs = [await dispatched(pool, concurrency=key) for _ in range(6)]
    assert {run.status for run in runs} == {RunStatus.WAITING}
    await pool.execute(_ASLEEP)
    assert (await do(pool, runs[5], CancelRun(None, NOW))).frees
    oldest = sorted(runs[:5], key=lambda run: (run.created_at, run.nominal_at))
    assert await woken(pool, *runs) <= {run.id for run in oldest}
    assert len(await woken(pool, *runs)) == 4


async def test_a_freed_key_wakes_no_run_before_its_own_time(pool: Pool) -> None:
    key = Concurrency("k", 1)
    first, second, third = [await retrying_after_a_hold(pool, delay * DAY, concurrency=key) for delay in (1, 1, 2000)]
    async with pool.acquire() as db:
        await wake_waiting(db, [first])
    assert third.id not in await woken(pool, first, second, third)
    await pool.execute("UPDATE runs SET not_before = now() - interval '1 s' WHERE run_id = $1", third.id)
    async with pool.acquire() as db:
        await wake_waiting(db, [first])
    assert third.id in await woken(pool, first, second, third)


async def retrying_after_a_hold(pool: Pool, delay: timedelta, **changes: Any) -> Run:
    """A run whose retry, so much later, was held and resumed: it waits for its key."""
    run = await dispatched(pool, **changes)
    await do(pool, run, WakeRun(NOW, 0, MINUTE, free=True))
    await do(pool, run, StartAttempt(1, "executor", MINUTE, NOW))
    await do(pool, run, FailAttempt(1, "boom", NOW, 0, delay=delay))
    await do(pool, run, HoldRun(NOW))
    result = await do(pool, run, ResumeRun(NOW))
    assert result.run is not None
    assert result.run.status is RunStatus.WAITING
    return result.run


async def test_a_freed_key_also_wakes_runs_that_wait_for_their_own_job(pool: Pool) -> None:
    key = Concurrency("k", 1)
    holder = await dispatched(pool, concurrency=key)
    await dispatched(pool, concurrency=key, overlap=Overlap.BUFFER_ALL)
    by_key = [await dispatched(pool, concurrency=key) for _ in range(5)]
    by_overlap = [await triggered(pool, holder.job_id) for _ in range(5)]
    await pool.execute("UPDATE runs SET created_at = created_at + interval '1 s' WHERE run_id = $1", by_overlap[4].id)
    await pool.execute(_ASLEEP)
    async with pool.acquire() as db:
        await wake_waiting(db, [holder])
    awake = await woken(pool, holder, *by_key, *by_overlap)
    assert len(awake & {run.id for run in by_overlap}) == 4
    assert by_overlap[4].id not in awake


@pytest.mark.parametrize("deciding", [True, False])
async def test_only_a_decision_skips_locked_rows(pool: Pool, deciding: bool) -> None:
    running = await started(pool)
    waits = await triggered(pool, running.job_id)
    await pool.execute(_ASLEEP)
    async with pool.acquire() as db:
        async with transaction(pool) as other:
            await other.execute(_LOCK, waits.id)
            wake = asyncio.create_task(wake_waiting(db, [running], deciding=deciding))
            await waiting(pool, wake)
            assert wake.done() == deciding
        await wake
    assert await woken(pool, waits) == (set() if deciding else {waits.id})


async def test_waking_reads_only_a_few_of_many_waiting_runs(pool: Pool) -> None:
    run = await dispatched(pool, concurrency=Concurrency("k", 1))
    await grow_table(pool, "runs", 5_000)
    await pool.execute("UPDATE runs SET reason = 'overlap' WHERE priority = 1")
    await pool.execute("VACUUM ANALYZE runs")
    for statement, *arguments in ((_WAKE_BY_JOB, [run.job_id]), (_WAKE_BY_KEY, ["k"], [1])):
        found = await query_cost(pool, statement, *arguments)
        assert not found.scans, statement
        assert found.buffers <= 300, (statement, found)


@pytest.mark.parametrize(
    "others", ["reason = NULL", "reason = 'overlap'", "reason = 'task'", "held = true", "queue = 'paused'"]
)
async def test_a_freed_key_reads_no_more_than_a_thousand_of_each_kind(pool: Pool, others: str) -> None:
    await dispatched(pool, concurrency=Concurrency("k", 1))
    await grow_table(pool, "runs", 10_000)
    await pool.execute(f"UPDATE runs SET status = 'waiting', {others}")
    await pool.execute(_PAUSE)
    await pool.execute("VACUUM ANALYZE runs")
    found = await query_cost(pool, _WAKE_BY_KEY, ["k"], [1])
    assert not found.scans
    assert found.buffers <= 3_000, found


async def test_a_freed_key_is_handed_on_behind_thousands_of_held_runs(pool: Pool) -> None:
    ended = await dispatched(pool, concurrency=Concurrency("k", 1))
    await grow_table(pool, "runs", 3_000)
    await pool.execute("UPDATE runs SET status = 'waiting', held = true, created_at = created_at - interval '1 day'")
    free = await dispatched(pool, concurrency=Concurrency("k", 1))
    await pool.execute(_ASLEEP)
    async with pool.acquire() as db:
        assert [run.id for run in await first_of_keys(db, [free], {"k": 0}, NOW)] == [free.id]
        await wake_waiting(db, [ended])
    assert await woken(pool, free) == {free.id}


async def test_looking_for_wrong_times_reads_few_of_many_jobs_and_runs(pool: Pool) -> None:
    """Half of the jobs have ended, and all other jobs and all runs were postponed."""
    await dispatched(pool, recurrence="daily")
    for table in ("jobs", "runs"):
        await grow_table(pool, table, 5_000)
    await pool.execute("UPDATE jobs SET status = 'finished', wake_at = NULL, next_at = NULL WHERE priority < 2")
    await pool.execute("UPDATE jobs SET wake_at = now() + interval '1 second', next_at = now() WHERE priority >= 2")
    await pool.execute("UPDATE runs SET wake_at = now() + interval '1 minute', planned_wake_at = now()")
    await pool.execute("VACUUM ANALYZE jobs, runs")
    for statement, *arguments in ((_MEND_JOBS, LONGEST_POSTPONEMENT_OF_JOB, 500), (_MEND_RUNS, 500)):
        found = await query_cost(pool, statement, *arguments)
        assert not found.scans, statement
        assert found.buffers <= 50, (statement, found)


async def test_the_result_names_the_runs_that_a_new_one_stops(pool: Pool) -> None:
    running = await started(pool)
    waits = await triggered(pool, running.job_id)
    result = await handle_job(pool, running.job_id, trigger(Overlap.TERMINATE_OTHER), ACTOR)
    assert result is not None
    assert {run.id for run in result.runs if run.status is RunStatus.CANCELLED} == {running.id, waits.id}
    assert set(result.stopped) == {running.id, waits.id}
