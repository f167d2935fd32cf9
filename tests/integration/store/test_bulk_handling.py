"""Bulk operations: each target once, whatever is killed; progress, rate and abort hold over batches and processes."""

from datetime import datetime
from typing import Any

import pytest

from duebook_common.domain.bulk.events import BulkAction, command_id
from duebook_common.domain.bulk.state import BulkStatus
from duebook_common.domain.definition import Concurrency, Overlap
from duebook_common.domain.run.commands import CancelRun, FailAttempt
from duebook_common.domain.run.state import Run
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.store import bulk_acts, bulk_handling, bulk_targets
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import handle_job
from duebook_common.store.job_plan import decide_locked
from support.bookkeeping import ACTOR, NOW, created, dispatched, do, log, start, started, trigger
from support.bulks import FAR, LATER, acts, dead, executor, finish, request, shown
from support.samples import MINUTE, SECOND


async def test_runs_are_cancelled_by_the_tag_of_their_job(pool: Pool) -> None:
    mine = [await dispatched(pool, tags=("tenant-7",)) for _ in range(3)]
    running, other = await started(pool, tags=("tenant-7", "x")), await dispatched(pool, tags=("tenant-8",))
    bulk = await request(pool, BulkAction.CANCEL, tag="tenant-7")
    assert bulk.matched == 4
    row = await finish(pool, bulk)
    assert (row.bulk.status, row.bulk.done, row.bulk.refused) == (BulkStatus.ENDED, 4, {})
    cancelled = {(f"run-{run.id}", "RunCancelled") for run in mine}
    assert set(await acts(pool, bulk)) == {*cancelled, (f"run-{running.id}", "RunCancelRequested")}
    assert f"run-{other.id}" not in dict(await acts(pool, bulk))
    reasons = {item.data["reason"] for item in await log(pool) if item.type == "RunCancelled"}
    assert reasons == {"an outage"}
    assert (await verify(pool)).breaches == []


@pytest.mark.parametrize(
    ("filter_", "matched"),
    [
        ({"q": "REPORT"}, 3),
        ({"q": "100%"}, 1),
        ({"q": "_"}, 0),
        ({"status": ("running", "dispatched")}, 4),
        ({"status": ("waiting",)}, 0),
        ({"queue": "q9"}, 1),
        ({"task": "log", "trigger": "schedule"}, 4),
        ({"trigger": "manual"}, 0),
        ({"executor": "executor"}, 1),
        ({"due_from": NOW, "due_to": NOW + SECOND}, 4),
        ({"due_to": NOW}, 0),
    ],
)
async def test_each_filter_finds_its_runs_also_by_many_searches(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, filter_: dict[str, Any], matched: int
) -> None:
    monkeypatch.setattr(bulk_targets, "SEARCHED_ROWS", 1)
    await dispatched(pool, queue="q9")
    await dispatched(pool, name="100% sure")
    await dispatched(pool)
    await started(pool)
    bulk = await request(pool, BulkAction.CANCEL, **filter_)
    row = await finish(pool, bulk)
    assert (bulk.matched, row.bulk.done) == (matched, matched)


async def test_each_action_on_jobs_acts_on_those_in_a_fitting_status(pool: Pool) -> None:
    jobs = [await created(pool, scheduled_at=FAR, queue="q1") for _ in range(3)]
    await created(pool, scheduled_at=FAR, queue="q2")
    for action, done, type_ in (
        (BulkAction.PAUSE, 3, "JobPaused"),
        (BulkAction.PAUSE, 0, "JobPaused"),
        (BulkAction.TRIGGER, 3, "RunDispatched"),
        (BulkAction.RESUME, 3, "JobResumed"),
        (BulkAction.DELETE, 3, "JobDeleted"),
        (BulkAction.TRIGGER, 0, "RunDispatched"),
    ):
        bulk = await request(pool, action, queue="q1")
        row = await finish(pool, bulk)
        assert (bulk.matched, row.bulk.done, row.bulk.refused) == (done, done, {}), action
        streams = [stream for stream, _ in await acts(pool, bulk, type_)]
        if action is BulkAction.TRIGGER:
            assert set(streams) == {f"run-{command_id(bulk.id, job)}" for job in jobs[:done]}
            causes = await pool.fetch("SELECT cause FROM runs WHERE cause = $1", bulk.id)
            assert len(causes) == done
        else:
            assert set(streams) == {f"job-{job}" for job in jobs[:done]}
    assert (await verify(pool)).breaches == []


async def test_what_came_after_the_request_is_no_target(pool: Pool) -> None:
    before = await dispatched(pool)
    bulk = await request(pool, BulkAction.CANCEL)
    after = await created(pool)
    late = trigger()
    late = type(late)(late.run_id, Overlap.ALLOW_ALL, type(late.context)(now=LATER + SECOND, misfire=MINUTE,
                      look_again_after=MINUTE, dispatch=1))  # fmt: skip
    await handle_job(pool, after, late, ACTOR)
    row = await finish(pool, bulk, LATER + MINUTE)
    assert row.bulk.done == 1
    assert [stream for stream, _ in await acts(pool, bulk)] == [f"run-{before.id}"]


async def test_a_redrive_skips_deleted_jobs_and_keeps_its_rate_for_runs_with_a_key(pool: Pool) -> None:
    keyed = Concurrency("k", 1)
    runs = [await dead(pool, concurrency=keyed if n % 2 else None) for n in range(4)]
    await pool.execute("UPDATE jobs SET status = 'deleted' WHERE job_id = $1", runs[0].job_id)
    bulk = await request(pool, BulkAction.REDRIVE, rate=2)
    steps = [await executor(pool).step(bulk.id, LATER) for _ in range(3)]
    assert sum(step.dealt_with for step in steps) <= 2  # one, and that of the deleted job, which takes no turn
    row = await finish(pool, bulk)
    assert (row.bulk.done, row.bulk.refused) == (3, {"the job is deleted": 1})
    at = sorted(datetime.fromisoformat(item.data["at"]) for item in await log(pool) if item.type == "RunRedriven")
    assert at[1] - at[0] >= SECOND / 2 <= at[2] - at[1]


async def test_a_target_that_cannot_be_decided_is_left_out_alone(pool: Pool, monkeypatch: Any) -> None:
    jobs = [await created(pool, scheduled_at=FAR) for _ in range(4)]
    bulk = await request(pool, BulkAction.PAUSE)

    def decide(before: Any, command: Any) -> Any:
        if before.job.id == jobs[1]:
            raise ValueError("poison")
        return decide_locked(before, command)

    monkeypatch.setattr(bulk_acts, "decide_locked", decide)
    row = await finish(pool, bulk)
    assert (row.bulk.done, row.bulk.refused) == (3, {"an unexpected error; the scheduler's log has it": 1})


async def test_the_limit_ends_an_operation_and_refusals_are_counted_by_reason(pool: Pool) -> None:
    job_id = await created(pool, scheduled_at=FAR)
    runs: list[Run] = []
    for _ in range(3):
        result = await handle_job(pool, job_id, trigger(Overlap.ALLOW_ALL), ACTOR)
        assert result is not None
        runs += result.runs
    for run in runs:
        await do(pool, run, start(run))
        await do(pool, run, FailAttempt(1, "boom", NOW, 0, retry=False))
    limited = await request(pool, BulkAction.REDRIVE, limit=1)
    assert (await finish(pool, limited)).bulk.done == 1
    bulk = await request(pool, BulkAction.REDRIVE)
    few = BulkExecutor(pool, BulkLimits(MINUTE, 2), ACTOR)
    step = await few.step(bulk.id, LATER)
    assert step.refusal is not None
    row = await finish(pool, bulk)
    assert (row.bulk.done, row.bulk.refused) == (1, {"the job has too many active runs": 1})


async def test_rebuild_remakes_the_rows_and_a_lost_progress_is_counted_from_the_log(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_handling, "_RUNS_AT_ONCE", 2)
    runs = [await dispatched(pool) for _ in range(5)]
    bulk = await request(pool, BulkAction.CANCEL)
    await executor(pool).step(bulk.id, LATER)
    await pool.execute("TRUNCATE bulk_operations, bulk_progress")
    assert [breach.stream for breach in (await verify(pool)).breaches] == [f"bulk-{bulk.id}"]
    assert (await rebuild(pool)).replaced == 1
    assert (await shown(pool, bulk)).bulk == bulk
    acted_on = {stream for stream, _ in await acts(pool, bulk)}
    untouched = next(run for run in runs if f"run-{run.id}" not in acted_on)
    await do(pool, untouched, CancelRun(None, LATER))  # by another client
    assert (await finish(pool, bulk)).bulk.done == 4
    assert (await verify(pool)).breaches == []


async def test_verify_finds_a_count_that_the_log_contradicts(pool: Pool) -> None:
    await dispatched(pool)
    bulk = await request(pool, BulkAction.CANCEL)
    await pool.execute("UPDATE bulk_progress SET done = 7")
    await finish(pool, bulk)
    [breach] = (await verify(pool)).breaches
    assert breach.says == "it counts 8 targets as done, and the log has 1 of its acts"


async def test_the_end_of_waiting_runs_wakes_few_others_of_their_key(pool: Pool) -> None:
    for _ in range(12):
        await dispatched(pool, concurrency=Concurrency("k", 1))
    await pool.execute("UPDATE runs SET wake_at = $1", FAR)
    bulk = await request(pool, BulkAction.CANCEL, limit=6)
    await executor(pool).step(bulk.id, LATER)
    woken = await pool.fetchval("SELECT count(*) FROM runs WHERE status = 'waiting' AND wake_at < $1", FAR)
    assert woken == 4  # for one slot, and three that may only be waiting to expire
