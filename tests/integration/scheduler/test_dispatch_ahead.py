"""Occurrences that are decided shortly before they are due, on a real database, and the commands that meet them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from duebook_common.domain.definition import CatchUp, Concurrency, Every
from duebook_common.domain.job import occurrence
from duebook_common.domain.job.commands import DeleteJob, PauseJob
from duebook_common.domain.queue.decide import PauseQueue
from duebook_common.domain.run.commands import CancelRun, StartAttempt
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.database import Pool, acquire, transaction
from duebook_common.store.job_handling import handle_job
from duebook_common.store.locks import lock_jobs
from duebook_common.store.queue_handling import handle_queue
from duebook_common.store.rows import load_jobs, load_runs
from duebook_scheduler import dispatch
from support.bookkeeping import ACTOR, NOW, check_invariants, context, created, do, serve
from support.samples import MINUTE, SECOND
from support.scheduler_world import SetClock
from support.schedulers import Scheduler, new_scheduler

INSTANT = NOW + 3 * SECOND
LONG_AHEAD = 4.8 * SECOND  # so that what is to be done before the instant is, unless the machine is very full


@pytest.fixture
async def scheduler(pool: Pool, postgres_url: str) -> AsyncIterator[Scheduler]:
    """Its clock stands still, so nothing comes too late."""
    await serve(pool)
    async with new_scheduler(postgres_url, SetClock(), DUEBOOK_LOOK_AHEAD="PT5S") as scheduler:
        yield scheduler


@pytest.fixture
def begin() -> SetClock:
    """A clock that stands still at the begin of the test, so that its instants come although nothing comes too late."""
    clock = SetClock()
    clock.time = datetime.now(UTC)
    return clock


@pytest.fixture
async def present(pool: Pool, postgres_url: str, begin: SetClock) -> AsyncIterator[Scheduler]:
    """A scheduler of today."""
    await serve(pool)
    async with new_scheduler(postgres_url, begin, DUEBOOK_LOOK_AHEAD="PT5S") as scheduler:
        yield scheduler


async def ahead(scheduler: Scheduler, pool: Pool, due_at: datetime = INSTANT, **changes: Any) -> Run:
    """A run that was decided ahead of its instant."""
    await created(pool, scheduled_at=due_at, **changes)
    (run,) = await scheduler.poll()
    assert (run.created_at, run.status, run.dispatch) == (due_at, RunStatus.DISPATCHED, 1)
    return run


async def start(pool: Pool, run: Run) -> Run:
    """Start the run's attempt now, as an executor does that receives the message."""
    result = await do(pool, run, StartAttempt(run.dispatch, "executor", MINUTE, NOW))
    assert result.run is not None
    return result.run


async def status_of(pool: Pool, run_id: UUID) -> RunStatus:
    async with acquire(pool) as db:
        return (await load_runs(db, [run_id]))[run_id].status


async def test_a_job_is_dispatched_and_started_before_it_is_due(scheduler: Scheduler, pool: Pool) -> None:
    run = await ahead(scheduler, pool)
    assert run.wake_at == run.due_at + 3 * SECOND, "a message that is lost until then is sent again"
    begun = await start(pool, run)
    assert (begun.started_at, begun.wake_at) == (run.due_at, run.due_at + MINUTE)
    assert await scheduler.poll() == []
    await check_invariants(pool, {run.job_id})


async def test_two_schedulers_decide_a_job_ahead_once(scheduler: Scheduler, pool: Pool, postgres_url: str) -> None:
    ids = {await created(pool, scheduled_at=INSTANT, recurrence=Every(MINUTE)) for _ in range(20)}
    async with new_scheduler(postgres_url, SetClock(), DUEBOOK_LOOK_AHEAD="PT5S") as other:
        both = await asyncio.gather(scheduler.poll(), other.poll())
        sent = [*both[0], *both[1], *await scheduler.poll()]
    assert sorted(run.job_id for run in sent) == sorted(ids)
    await check_invariants(pool, ids)


async def test_a_job_with_a_concurrency_key_is_decided_when_it_is_due(scheduler: Scheduler, pool: Pool) -> None:
    await created(pool, scheduled_at=INSTANT, concurrency=Concurrency("key", 1))
    assert await scheduler.poll() == []
    assert scheduler.poller.pause() > timedelta(0)


async def test_what_follows_a_decision_ahead_closely_is_gathered(scheduler: Scheduler, pool: Pool) -> None:
    await created(pool, scheduled_at=INSTANT)
    assert await scheduler.poller.step() == 0
    assert len(scheduler.sender.runs) == 1
    assert timedelta(0) < scheduler.poller.pause() <= 5 * SECOND / 3


async def test_a_job_that_must_be_due_is_looked_at_when_it_is(
    pool: Pool, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_SOON", MINUTE)
    await serve(pool)
    limited_at = INSTANT - 1.8 * SECOND
    await created(pool, scheduled_at=limited_at, concurrency=Concurrency("key", 1))
    yearly = {"DUEBOOK_LOOK_AHEAD": "PT5S", "DUEBOOK_POLL_CRON": "0 0 0 1 1 *"}
    async with new_scheduler(postgres_url, SetClock(), **yearly) as scheduler:
        assert await scheduler.poll() == []
        await created(pool, scheduled_at=NOW)
        assert await scheduler.poller.step() == 0
        assert len(scheduler.sender.runs) == 1
        assert NOW + scheduler.poller.pause() == limited_at


async def test_a_full_batch_ahead_is_followed_by_the_next_at_once(pool: Pool, postgres_url: str) -> None:
    await serve(pool)
    for _ in range(2):
        await created(pool, scheduled_at=INSTANT)
    async with new_scheduler(postgres_url, SetClock(), DUEBOOK_LOOK_AHEAD="PT5S", DUEBOOK_BATCH="1") as scheduler:
        assert [await scheduler.poller.step() for _ in range(3)] == [1, 1, 0]


async def test_a_job_ahead_that_others_have_locked_is_tried_again_at_once(scheduler: Scheduler, pool: Pool) -> None:
    locked, free = [await created(pool, scheduled_at=INSTANT) for _ in range(2)]
    async with transaction(pool) as db:
        await lock_jobs(db, [locked])
        assert await scheduler.poller.step() == 1
    assert [run.job_id for run in scheduler.sender.runs] == [free]
    assert [run.job_id for run in await scheduler.poll()] == [locked]


async def test_a_job_that_is_still_due_is_decided_again_at_once(
    scheduler: Scheduler, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occurrence, "MAX_CATCHING_UP", 2)
    since = NOW - 4.5 * MINUTE
    await created(pool, scheduled_at=since, recurrence=Every(MINUTE), catch_up=CatchUp("all"))
    assert await scheduler.poller.step() == 1
    assert len(scheduler.sender.runs) < 5


async def test_a_due_job_that_others_have_locked_is_looked_at_soon(scheduler: Scheduler, pool: Pool) -> None:
    locked = await created(pool, scheduled_at=NOW - SECOND)
    await created(pool, scheduled_at=INSTANT)
    async with transaction(pool) as db:
        await lock_jobs(db, [locked])
        while await scheduler.poller.step():
            pass
        assert scheduler.poller.pause() <= SECOND / 20


async def test_jobs_are_decided_ahead_while_others_are_due(scheduler: Scheduler, pool: Pool) -> None:
    later = await created(pool, scheduled_at=INSTANT)
    due = await created(pool, scheduled_at=NOW - SECOND)
    await scheduler.poller.step()
    assert [run.job_id for run in scheduler.sender.runs] == [due, later]


async def test_no_job_overtakes_those_of_its_queue_that_are_due(pool: Pool, postgres_url: str) -> None:
    """But those of other queues are decided ahead, however much is due."""
    for queue in ("crowded", "other"):
        await serve(pool, queue)
    due = {await created(pool, queue="crowded", scheduled_at=NOW - SECOND) for _ in range(11)}
    later, other = [await created(pool, queue=queue, scheduled_at=INSTANT) for queue in ("crowded", "other")]
    async with new_scheduler(postgres_url, SetClock(), DUEBOOK_LOOK_AHEAD="PT5S", DUEBOOK_BATCH="10") as scheduler:
        await scheduler.poller.step()
        first = [run.job_id for run in scheduler.sender.runs]
        await scheduler.poller.step()
        second = [run.job_id for run in scheduler.sender.runs][len(first) :]
    assert set(first[:10]) < due
    assert first[10:] == [other]
    assert set(second) == due - set(first) | {later}


async def test_a_pause_of_a_job_waits_for_the_instant(present: Scheduler, begin: SetClock, pool: Pool) -> None:
    run = await ahead(present, pool, begin.time + LONG_AHEAD, recurrence=Every(MINUTE))
    result = await handle_job(pool, run.job_id, PauseJob(None, context(datetime.now(UTC))), ACTOR)
    assert result is not None
    assert datetime.now(UTC) >= run.due_at
    assert result.job.updated_at >= run.due_at, "decided as if it had come at the instant"
    await check_invariants(pool, {run.job_id})


async def test_a_deletion_cancels_at_once_what_has_not_started(scheduler: Scheduler, pool: Pool) -> None:
    run = await ahead(scheduler, pool, recurrence=Every(MINUTE))
    await handle_job(pool, run.job_id, DeleteJob(NOW), ACTOR)
    assert (await start(pool, run)).status is RunStatus.CANCELLED
    await check_invariants(pool, {run.job_id})


async def test_a_cancelled_run_is_not_started_at_its_instant(scheduler: Scheduler, pool: Pool) -> None:
    run = await ahead(scheduler, pool, recurrence=Every(MINUTE))
    await do(pool, run, CancelRun("no", NOW))
    assert (await start(pool, run)).status is RunStatus.CANCELLED
    async with acquire(pool) as db:
        after = (await load_jobs(db, [run.job_id]))[run.job_id]
    assert after.next_at == run.due_at + MINUTE
    await check_invariants(pool, {run.job_id})


async def test_a_pause_of_a_queue_begins_after_what_was_started_ahead(
    present: Scheduler, begin: SetClock, pool: Pool
) -> None:
    due_at = begin.time + LONG_AHEAD
    started, sent = await ahead(present, pool, due_at), await ahead(present, pool, due_at)
    await do(pool, started, StartAttempt(started.dispatch, "executor", MINUTE, datetime.now(UTC)))
    pause = await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    assert pause is not None
    assert pause.since > started.due_at
    assert datetime.now(UTC) >= started.due_at
    assert await start_refused(pool, sent), "what was only sent waits for the resume"
    assert await status_of(pool, sent.id) is RunStatus.DISPATCHED


async def start_refused(pool: Pool, run: Run) -> bool:
    result = await do(pool, run, StartAttempt(run.dispatch, "executor", MINUTE, datetime.now(UTC)))
    return result.error is not None
