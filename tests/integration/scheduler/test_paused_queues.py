"""What the scheduler does with the jobs and runs of a paused queue, and after its resume."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from duebook_common.domain.definition import CatchUp, Concurrency, Every, Overlap
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.queue.decide import PauseQueue, ResumeQueue
from duebook_common.domain.queue.events import INSTALLATION, Frozen, QueuePaused, QueueResumed, Thawed, stream
from duebook_common.domain.run.state import RunStatus
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.store.database import Pool
from duebook_common.store.eventstore import Write, append
from duebook_common.store.job_handling import create_jobs
from duebook_common.store.queue_handling import handle_queue
from duebook_common.store.rows import load_runs
from support.bookkeeping import ACTOR, check_invariants, created, definition, serve
from support.samples import HOUR, MINUTE, SECOND
from support.schedulers import Scheduler, new_scheduler

NAMES = pytest.mark.parametrize("name", ["default", INSTALLATION])


@pytest.fixture
async def scheduler(pool: Pool, postgres_url: str) -> AsyncIterator[Scheduler]:
    for queue in ("default", "other"):
        await serve(pool, queue)
    async with new_scheduler(postgres_url) as scheduler:
        yield scheduler


async def job(pool: Pool, **fields: Any) -> None:
    await created(pool, **{"scheduled_at": datetime.now(UTC) - SECOND, **fields})


@NAMES
async def test_a_paused_queue_dispatches_nothing_and_its_resume_everything(
    scheduler: Scheduler, pool: Pool, name: str
) -> None:
    await handle_queue(pool, name, PauseQueue("provider down"), ACTOR)
    for queue in ("default", "other"):
        await job(pool, queue=queue)
    assert [run.queue for run in await scheduler.poll()] == ([] if name == INSTALLATION else ["other"])
    await handle_queue(pool, name, ResumeQueue(), ACTOR)
    assert {run.queue for run in await scheduler.poll()} >= {"default"}
    assert (await verify(pool)).breaches == []


@NAMES
async def test_a_pause_calls_back_what_was_sent_and_its_slots(scheduler: Scheduler, pool: Pool, name: str) -> None:
    for queue in ("default", "default", "other"):
        await job(pool, concurrency=Concurrency("tenant-7", 1), queue=queue)
    [sent] = await scheduler.poll()
    await handle_queue(pool, sent.queue if name == "default" else name, PauseQueue(None), ACTOR)
    after = await scheduler.poll()
    async with pool.acquire() as db:
        run = (await load_runs(db, [sent.id]))[sent.id]
    assert (run.status, run.reason, run.failures) == (RunStatus.WAITING, "queue", 0)
    assert all(other.queue != sent.queue for other in after)
    await handle_queue(pool, sent.queue if name == "default" else name, ResumeQueue(), ACTOR)
    await scheduler.poll()
    assert (await scheduler.of_queue()).get("dispatched") == 1
    assert (await verify(pool)).breaches == []
    await check_invariants(pool)


async def test_a_retry_of_a_paused_queue_waits_and_goes_on(scheduler: Scheduler, pool: Pool) -> None:
    await job(pool)
    [run] = await scheduler.poll()
    await pool.execute("UPDATE runs SET wake_at = now() WHERE run_id = $1", run.id)
    await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    assert await scheduler.poll() == []
    await pool.execute("UPDATE runs SET wake_at = now() + interval '1 h'")  # as if it had waited for long
    await handle_queue(pool, "default", ResumeQueue(), ACTOR)
    [again] = await scheduler.poll()
    assert (again.id, again.dispatch) == (run.id, run.dispatch + 1)


async def test_a_scheduler_that_did_not_see_the_resume_wakes_what_waits(
    scheduler: Scheduler, pool: Pool, postgres_url: str
) -> None:
    await job(pool)
    await scheduler.poll()
    await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    await scheduler.poll()
    await pool.execute("UPDATE runs SET wake_at = now() + interval '1 h'")
    await handle_queue(pool, "default", ResumeQueue(), ACTOR)
    async with new_scheduler(postgres_url) as another:
        assert len(await another.poll()) == 1


async def test_a_scheduler_that_has_not_seen_the_resume_postpones_no_woken_run(
    scheduler: Scheduler, pool: Pool
) -> None:
    await job(pool)
    await scheduler.poll()
    await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    await scheduler.poll()
    await pool.execute("UPDATE runs SET wake_at = now()")
    async with pool.acquire() as db:
        [seen] = (await load_runs(db, [await db.fetchval("SELECT run_id FROM runs")])).values()
    await pool.execute("UPDATE runs SET wake_at = now()")  # another scheduler wakes it
    await scheduler.waker._postpone([(seen, datetime.now(UTC) + HOUR)])
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE wake_at <= now()") == 1


async def test_a_deadline_ends_a_run_that_waits_for_the_resume(scheduler: Scheduler, pool: Pool) -> None:
    await job(pool, start_within=HOUR)
    await scheduler.poll()
    await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    await scheduler.poll()
    await pool.execute("UPDATE runs SET wake_at = now(), start_by = now() - interval '1 s'")
    await scheduler.poll()
    assert await scheduler.of_queue() == {"skipped": 1}


@NAMES
async def test_the_resume_wakes_many_runs_in_batches(
    scheduler: Scheduler, pool: Pool, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for limit in ("_RECALLED_AT_ONCE", "_WOKEN_AT_ONCE", "_FEW"):
        monkeypatch.setattr(f"duebook_scheduler.paused_queues.{limit}", 2)
    for _ in range(7):
        await job(pool)
    await scheduler.poll()
    await handle_queue(pool, name, PauseQueue(None), ACTOR)
    await scheduler.poll()
    assert await scheduler.of_queue() == {"waiting": 7}
    await pool.execute("UPDATE runs SET wake_at = now() + interval '1 h'")
    await handle_queue(pool, name, ResumeQueue(), ACTOR)
    await scheduler.poller.step()
    assert len(scheduler.sender.runs) == 2
    await scheduler.poll()
    assert await scheduler.of_queue() == {"dispatched": 7}


async def test_a_thaw_leaves_runs_of_a_queue_that_is_paused_asleep(scheduler: Scheduler, pool: Pool) -> None:
    await job(pool)
    await scheduler.poll()
    for name in ("default", INSTALLATION):
        await handle_queue(pool, name, PauseQueue(None), ACTOR)
        await scheduler.poll()
    await pool.execute("UPDATE runs SET wake_at = now() + interval '1 h'")
    await handle_queue(pool, INSTALLATION, ResumeQueue(), ACTOR)
    assert await scheduler.poll() == []
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE wake_at > now() + interval '50 min'") == 1
    await handle_queue(pool, "default", ResumeQueue(), ACTOR)
    assert len(await scheduler.poll()) == 1


async def paused_for_an_hour(pool: Pool, name: str) -> None:
    """Record a pause from an hour ago until now, as operators would have made it."""
    now = datetime.now(UTC)
    pause, resume = (Frozen, Thawed) if name == INSTALLATION else (QueuePaused, QueueResumed)
    events = [pause(reason="provider down", at=now - HOUR), resume(at=now)]
    async with pool.acquire() as db, db.transaction():
        await append(db, [Write(stream(name), 0, events, None, meta=ACTOR.meta())])
    await rebuild(pool)


@NAMES
async def test_an_hour_long_pause_misses_nothing_whatever_the_policies(
    scheduler: Scheduler, pool: Pool, name: str
) -> None:
    began = datetime.now(UTC) - HOUR
    policies = [(CatchUp(policy), overlap) for policy in ("latest", "all", "none") for overlap in Overlap]
    jobs = {
        job_id: job_decide.create(
            job_id,
            definition(scheduled_at=began, recurrence=Every(5 * MINUTE), catch_up=catch_up, overlap=overlap),
            began,
        )
        for job_id, (catch_up, overlap) in ((uuid4(), each) for each in policies)
    }
    await create_jobs(pool, jobs, ACTOR)
    await paused_for_an_hour(pool, name)
    await scheduler.poll()
    rows = await pool.fetch("""
        SELECT runs.trigger, runs.status, resumed_at IS NOT NULL AS kept, definition ->> 'overlap' AS overlap
        FROM runs JOIN jobs USING (job_id)
    """)
    assert len(rows) == 13 * len(policies)
    assert all(row["kept"] for row in rows if row["overlap"] != "allow_all")
    assert {row["trigger"] for row in rows} == {"schedule"}
    assert {row["status"] for row in rows} == {"dispatched", "waiting"}
    assert await pool.fetchval("SELECT count(*) FROM events WHERE type = 'OccurrencesSkipped'") == 0
    assert (await verify(pool)).breaches == []


async def test_what_a_pause_keeps_back_is_no_breach(scheduler: Scheduler, pool: Pool) -> None:
    await job(pool, scheduled_at=datetime.now(UTC) - HOUR, recurrence=Every(5 * MINUTE))
    assert len((await verify(pool)).breaches) == 1
    await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    assert (await verify(pool)).breaches == []
    await handle_queue(pool, "default", ResumeQueue(), ACTOR)
    assert (await verify(pool)).breaches == []


async def test_what_waits_in_the_backlog_of_a_pause_is_no_breach_while_it_is_worked_off(
    scheduler: Scheduler, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duebook_common.domain.job.occurrence.MAX_CATCHING_UP", 3)
    began = datetime.now(UTC) - HOUR
    for catch_up in (CatchUp("latest"), CatchUp("none")):
        await job(pool, scheduled_at=began, recurrence=Every(5 * MINUTE), catch_up=catch_up)
    await paused_for_an_hour(pool, "default")
    later = SECOND - HOUR  # so that what was due an hour before the end of the pause is overdue
    assert len((await verify(pool, later)).breaches) == 2, "nothing works it off"
    await scheduler.poll()
    assert await scheduler.of_queue() == {"dispatched": 2, "waiting": 4}
    assert (await verify(pool, later)).breaches == []
    await pool.execute("UPDATE runs SET wake_at = NULL, status = 'succeeded', created_at = $1", began)
    says = [breach.says for breach in (await verify(pool, later)).breaches]
    assert sum("is due and unaccounted for" in each for each in says) == 2, "nothing works it off any longer"
