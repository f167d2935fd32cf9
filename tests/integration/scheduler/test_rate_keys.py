"""The line of a rate as a scheduler works it off: in order, at its pace, and without a delay for other runs."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duebook_common.domain.definition import Concurrency, Overlap, Rate
from duebook_common.domain.queue.decide import PauseQueue
from duebook_common.domain.run.commands import CancelRun, FailAttempt, StartAttempt, Succeed
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.integrity.verify import verify
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import handle_job
from duebook_common.store.queue_handling import handle_queue
from duebook_common.store.rows import load_runs
from support.bookkeeping import ACTOR, check_invariants, created, do, serve, trigger
from support.samples import HOUR, MINUTE, SECOND
from support.schedulers import Scheduler, new_scheduler

RATE = Rate("k", 2, HOUR)
_LINE = int(os.environ.get("TESTS_LINE", "3000"))
_JOBS = """
INSERT INTO jobs SELECT (jsonb_populate_record(jobs, jsonb_build_object('job_id', gen_random_uuid()))).*
FROM jobs, generate_series(1, $1) WHERE definition -> 'rate' ->> 'key' = 'k'
"""
_RUNS = """
INSERT INTO runs SELECT (jsonb_populate_record(r, jsonb_build_object(
    'run_id', gen_random_uuid(), 'job_id', jobs.job_id, 'wake_at', now() - interval '1 second', 'created_at', now()
))).*
FROM runs AS r, jobs, generate_series(1, 5) WHERE r.run_id = $1 AND jobs.definition -> 'rate' ->> 'key' = 'k'
"""


@pytest.fixture
async def scheduler(pool: Pool, postgres_url: str) -> AsyncIterator[Scheduler]:
    await serve(pool)
    async with new_scheduler(postgres_url) as scheduler:
        yield scheduler


async def job(pool: Pool, **fields: Any) -> None:
    await created(pool, **{"scheduled_at": datetime.now(UTC) - SECOND, "rate": RATE, **fields})


async def start(pool: Pool, run: Run) -> Run:
    result = await do(pool, run, StartAttempt(run.dispatch, "e", MINUTE, datetime.now(UTC)))
    assert result.run is not None
    return result.run


async def waiting(pool: Pool) -> list[Run]:
    """The waiting runs in the order of their line."""
    ids = [row["run_id"] for row in await pool.fetch("SELECT run_id FROM runs WHERE status = 'waiting'")]
    async with pool.acquire() as db:
        return sorted((await load_runs(db, ids)).values(), key=lambda run: (run.created_at, run.nominal_at, run.id))


async def pass_time(pool: Pool, time: timedelta) -> None:
    """As if the starts had been so much earlier, and the waiting runs were looked at again."""
    await pool.execute("UPDATE rate_starts SET started_at = started_at - $1::interval", time)
    await pool.execute("UPDATE runs SET wake_at = now() WHERE status = 'waiting'")


async def test_runs_are_sent_in_order_as_their_rate_allows(scheduler: Scheduler, pool: Pool) -> None:
    for _ in range(5):
        await job(pool)
        await scheduler.poller.step()
    for run in await sent_runs(pool):
        await start(pool, run)
    line = await waiting(pool)
    assert [run.reason for run in line] == ["rate"] * 3
    assert await scheduler.poll() == []
    await pass_time(pool, HOUR)
    assert [run.id for run in await scheduler.poll()] == [run.id for run in line[:2]]
    assert (await verify(pool)).breaches == []
    await check_invariants(pool)


async def sent_runs(pool: Pool) -> list[Run]:
    ids = [row["run_id"] for row in await pool.fetch("SELECT run_id FROM runs WHERE status = 'dispatched'")]
    async with pool.acquire() as db:
        return list((await load_runs(db, ids)).values())


async def test_a_retry_waits_in_the_line_and_is_not_charged_for_it(scheduler: Scheduler, pool: Pool) -> None:
    await job(pool, rate=Rate("k", 1, HOUR))
    [sent] = await scheduler.poll()
    running = await start(pool, sent)
    await do(pool, running, FailAttempt(1, "boom", datetime.now(UTC), 0, delay=timedelta(0)))
    assert await scheduler.poll() == []
    [retry] = await waiting(pool)
    assert (retry.reason, retry.failures, retry.attempt) == ("rate", 1, 1)
    await pass_time(pool, HOUR)
    assert [run.id for run in await scheduler.poll()] == [sent.id]
    assert (await verify(pool)).breaches == []


async def test_the_next_run_moves_up_when_the_first_is_cancelled(scheduler: Scheduler, pool: Pool) -> None:
    for _ in range(4):
        await job(pool)
        await scheduler.poll()
    first, second = await waiting(pool)
    for run in await sent_runs(pool):
        await do(pool, run, CancelRun(None, datetime.now(UTC)))
    assert {run.id for run in await scheduler.poll()} == {first.id, second.id}


async def test_a_run_of_a_paused_queue_lets_others_pass(scheduler: Scheduler, pool: Pool) -> None:
    await serve(pool, "other")
    await job(pool)
    for queue in ("other", "other", "other", "default"):
        await job(pool, rate=Rate("k", 1, HOUR), queue=queue)
        await scheduler.poll()
    [sent] = await sent_runs(pool)
    await start(pool, sent)
    await handle_queue(pool, "other", PauseQueue(None), ACTOR)
    await scheduler.poll()
    await pool.execute("UPDATE runs SET wake_at = now() + interval '9 minutes' WHERE queue = 'default'")
    await pool.execute("UPDATE rate_starts SET started_at = started_at - interval '1 hour'")
    await pool.execute("UPDATE runs SET wake_at = now() WHERE queue = 'other'")
    assert [run.queue for run in await scheduler.poll()] == ["default"]


async def test_a_run_with_a_key_too_waits_for_both(scheduler: Scheduler, pool: Pool) -> None:
    one_at_once = Concurrency("c", 1)
    for _ in range(4):
        await job(pool, rate=Rate("k", 3, HOUR), concurrency=one_at_once)
    ended = []
    for _ in range(3):
        [sent] = await scheduler.poll()
        running = await start(pool, sent)
        assert await scheduler.poll() == []  # for a slot
        await do(pool, running, Succeed(1, None, datetime.now(UTC)))
        ended.append(sent.id)
    assert await scheduler.poll() == []  # for the rate
    [last] = await waiting(pool)
    await pass_time(pool, HOUR)
    assert [run.id for run in await scheduler.poll()] == [last.id]
    assert (await verify(pool)).breaches == []


async def test_a_trigger_and_a_rerun_join_the_line(scheduler: Scheduler, pool: Pool) -> None:
    await job(pool, rate=Rate("k", 1, HOUR))
    [sent] = await scheduler.poll()
    ended = await do(pool, await start(pool, sent), Succeed(1, None, datetime.now(UTC)))
    assert ended.run is not None
    for repeats in (None, ended.run):
        await handle_job(pool, sent.job_id, replace(trigger(Overlap.ALLOW_ALL), repeats=repeats), ACTOR)
    assert await scheduler.poll() == []
    assert [(run.trigger, run.reason) for run in await waiting(pool)] == [("manual", "rate"), ("rerun", "rate")]


async def test_each_run_of_the_line_looks_again_when_it_may_start(scheduler: Scheduler, pool: Pool) -> None:
    for _ in range(2):
        await job(pool)
    for run in await scheduler.poll():
        await start(pool, run)
    for _ in range(3):
        await job(pool)
    await scheduler.poll()
    starts = [row["started_at"] for row in await pool.fetch("SELECT started_at FROM rate_starts ORDER BY number")]
    looks = [run.wake_at for run in await waiting(pool)]
    assert looks[:2] == [pytest.approx(at + HOUR - SECOND / 4, abs=timedelta(milliseconds=20)) for at in starts]


async def test_a_long_line_keeps_no_other_run_waiting(scheduler: Scheduler, pool: Pool) -> None:
    await job(pool, rate=Rate("k", 1, 24 * HOUR))
    await pool.execute("INSERT INTO rate_starts VALUES ('k', 1, now())")
    assert await scheduler.poll() == []
    await pool.execute(_JOBS, _LINE // 100 - 1)
    [first] = await waiting(pool)
    for _ in range(20):  # a statement may take only so long
        await pool.execute(_RUNS, first.id)
    await pool.execute("ANALYZE runs")
    await job(pool, rate=Rate("other", 1, HOUR))
    began, passes = datetime.now(UTC), 0
    scheduler.sender.runs.clear()
    while not scheduler.sender.runs:
        assert await scheduler.poller.step()
        passes += 1
    print(f"{_LINE} in the line: {passes} passes, {(datetime.now(UTC) - began).total_seconds():.2f} s")
    [sent] = scheduler.sender.runs
    assert sent.rate == Rate("other", 1, HOUR)
    assert passes <= 2 + _LINE // 2_500
    assert sent.status is RunStatus.DISPATCHED


async def test_a_long_line_goes_on_when_all_its_first_runs_are_sent_at_once(scheduler: Scheduler, pool: Pool) -> None:
    await pool.execute("INSERT INTO rate_starts SELECT 'k', number, now() FROM generate_series(1, 215) AS number")
    for _ in range(230):
        await job(pool, rate=Rate("k", 215, HOUR))
    assert await scheduler.poll() == []
    line = await waiting(pool)
    await pool.execute("UPDATE runs SET wake_at = now() + interval '9 minutes' WHERE status = 'waiting'")
    await pool.execute("UPDATE runs SET wake_at = now() WHERE run_id = ANY($1)", [run.id for run in line[:200]])
    await pool.execute("UPDATE rate_starts SET started_at = started_at - interval '1 hour'")
    assert len(await scheduler.poll()) == 215
