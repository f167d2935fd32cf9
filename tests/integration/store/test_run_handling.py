"""Commands for runs share a commit. A version conflict or a poisonous command affects only its own run."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import StaleAttempt, TooManyActiveRuns, WrongStatus
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.commands import TriggerRun
from duebook_common.domain.run import events
from duebook_common.domain.run.commands import CancelRun, FailAttempt, RedriveRun, RunCommand, Succeed, WakeRun
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.database import Pool, acquire, transaction
from duebook_common.store.job_handling import create_jobs, decide_jobs, handle_job, load_locked
from duebook_common.store.locks import lock_jobs
from duebook_common.store.rows import load_runs
from duebook_common.store.run_handling import RunWork, handle_runs
from support.bookkeeping import (
    ACTOR,
    NOW,
    check_invariants,
    context,
    created,
    definition,
    dispatch,
    dispatched,
    do,
    log,
    start,
    started,
    waiting,
)
from support.samples import DAY, MINUTE


async def many_started(pool: Pool, count: int) -> list[Run]:
    """Runs of as many jobs, each with its first attempt under way."""
    ids = [uuid4() for _ in range(count)]
    await create_jobs(pool, {id_: job_decide.create(id_, definition(), NOW) for id_ in ids}, ACTOR)
    async with transaction(pool) as db:
        await lock_jobs(db, ids)
        decided = await decide_jobs(db, dict.fromkeys(ids, dispatch()), ACTOR)
    runs = [run for result in decided for run in result.runs]
    results = await handle_runs(pool, [RunWork(run.id, start(run), run) for run in runs], ACTOR)
    return [result.run for result in results if result.run is not None]


async def types(pool: Pool, run: Run) -> list[str]:
    return [recorded.type for recorded in await log(pool) if recorded.stream == events.stream(run.id)]


POISON: dict[str, RunCommand] = {
    "an error text with a NUL": FailAttempt(1, "boom\0", NOW, 0),
    "a result with a NUL": Succeed(1, {"deep": ["\0"]}, NOW),
    "a result that is no JSON": Succeed(1, object(), NOW),
    "a number that JSON cannot hold": Succeed(1, 2**70, NOW),
    "half a character": FailAttempt(1, "\ud800", NOW, 0),
    "a number too large for its column": RedriveRun(None, 2**40, NOW),
}


@pytest.mark.parametrize("name", POISON)
async def test_a_poisonous_command_of_a_batch_fails_alone(pool: Pool, name: str) -> None:
    size, poison = 200 if name == "an error text with a NUL" else 12, POISON[name]
    runs = await many_started(pool, size)
    poisoned = replace(runs[7], status=RunStatus.DEAD_LETTERED) if isinstance(poison, RedriveRun) else runs[7]
    work = [RunWork(run.id, Succeed(1, n, NOW), run) for n, run in enumerate(runs)]
    work[7] = RunWork(poisoned.id, poison, poisoned)
    results = await handle_runs(pool, work, ACTOR)
    assert [n for n, result in enumerate(results) if result.error is not None] == [7]
    assert [d.run.result for d in results if d.run is not None] == [n for n in range(size) if n != 7]
    assert await types(pool, poisoned) == ["RunDispatched", "AttemptStarted"]
    await check_invariants(pool)


async def test_the_results_have_the_order_of_the_work(pool: Pool) -> None:
    runs = await many_started(pool, 20)
    results = await handle_runs(pool, [RunWork(run.id, Succeed(1, None, NOW)) for run in reversed(runs)], ACTOR)
    assert [result.run and result.run.id for result in results] == [run.id for run in reversed(runs)]


async def test_a_batch_is_one_commit(pool: Pool) -> None:
    runs = await many_started(pool, 20)
    await handle_runs(pool, [RunWork(run.id, Succeed(1, None, NOW), run) for run in runs], ACTOR)
    assert len({recorded.xid for recorded in await log(pool) if recorded.type == "AttemptSucceeded"}) == 1


async def test_a_command_decided_on_an_outdated_state_is_decided_again(pool: Pool) -> None:
    stale = await dispatched(pool)
    fresh = await started(pool)
    await do(pool, stale, start(stale))
    late = replace(start(stale), executor="slow")
    work = [RunWork(stale.id, late, stale), RunWork(fresh.id, Succeed(1, 1, NOW), fresh)]
    slow, other = await handle_runs(pool, work, ACTOR)
    assert (list(slow.events), slow.error, slow.run and slow.run.executor) == ([], None, "executor")
    assert other.run is not None
    assert other.run.status is RunStatus.SUCCEEDED
    assert await types(pool, stale) == ["RunDispatched", "AttemptStarted"]
    await check_invariants(pool)


async def test_of_many_executors_one_starts_the_attempt(pool: Pool) -> None:
    run = await dispatched(pool)
    work = [RunWork(run.id, replace(start(run), executor=f"executor {n}"), run) for n in range(12)]
    results = [d for (d,) in await asyncio.gather(*(handle_runs(pool, [item], ACTOR) for item in work))]
    assert sorted(len(result.events) for result in results) == [0] * 11 + [1]
    assert len({result.run and result.run.executor for result in results}) == 1
    assert await types(pool, run) == ["RunDispatched", "AttemptStarted"]


async def test_an_outcome_of_an_old_attempt_is_refused(pool: Pool) -> None:
    run = await started(pool)
    await do(pool, run, FailAttempt(1, "boom", NOW, 0))
    requeued = (await do(pool, run, WakeRun(NOW + DAY, 0, MINUTE))).run
    assert requeued is not None
    await do(pool, requeued, start(requeued))
    for known in (run, None):
        (late,) = await handle_runs(pool, [RunWork(run.id, Succeed(1, "late", NOW), known)], ACTOR)
        assert isinstance(late.error, StaleAttempt)
    expected = ["RunDispatched", "AttemptStarted", "AttemptFailed", "RunRequeued", "AttemptStarted"]
    assert await types(pool, run) == expected


async def test_commands_for_one_run_in_a_batch_are_decided_one_after_the_other(pool: Pool) -> None:
    run = await dispatched(pool)
    work = [RunWork(run.id, start(run), run), RunWork(run.id, Succeed(1, "done", NOW), run)]
    first, second = await handle_runs(pool, work, ACTOR)
    assert [type(event).__name__ for event in (*first.events, *second.events)] == ["AttemptStarted", "AttemptSucceeded"]
    await check_invariants(pool)


async def test_an_unknown_run_is_no_error(pool: Pool) -> None:
    run = await started(pool)
    work = [RunWork(uuid4(), Succeed(1, None, NOW)), RunWork(run.id, Succeed(1, None, NOW))]
    unknown, known = await handle_runs(pool, work, ACTOR)
    assert (unknown.run, unknown.events, unknown.error) == (None, (), None)
    assert known.run is not None


@pytest.mark.parametrize("keeps_state", [True, False], ids=["with the known state", "without"])
async def test_a_repeat_after_a_lost_answer_is_no_error(pool: Pool, keeps_state: bool) -> None:
    """The COMMIT succeeded, but its answer was lost, so the same work is sent again."""
    runs = await many_started(pool, 3)
    work = [RunWork(run.id, Succeed(1, n, NOW), run if keeps_state else None) for n, run in enumerate(runs)]
    await handle_runs(pool, work[:2], ACTOR)
    results = await handle_runs(pool, work, ACTOR)
    assert [result.error for result in results] == [None] * 3
    assert [result.run and result.run.status for result in results] == [RunStatus.SUCCEEDED] * 3
    assert [len(result.events) for result in results] == [0, 0, 1]
    for run in runs:
        assert await types(pool, run) == ["RunDispatched", "AttemptStarted", "AttemptSucceeded"]


async def test_a_repeat_is_no_error_even_if_the_run_has_changed_since(pool: Pool) -> None:
    run = await started(pool, max_retries=0)
    work = RunWork(run.id, FailAttempt(1, "boom", NOW, 0), run)
    await handle_runs(pool, [work], ACTOR)
    await do(pool, run, RedriveRun(None, 3, NOW))
    (repeat,) = await handle_runs(pool, [work], ACTOR)
    (stranger,) = await handle_runs(pool, [replace(work, id=uuid4())], ACTOR)
    assert repeat.error is None
    assert isinstance(stranger.error, StaleAttempt)
    assert (await types(pool, run))[2:] == ["AttemptFailed", "RunDeadLettered", "RunRedriven"]


async def test_a_refused_command_writes_nothing(pool: Pool) -> None:
    run = await started(pool)
    refused = await do(pool, run, RedriveRun(None, 3, NOW))
    assert isinstance(refused.error, WrongStatus)
    assert len(await types(pool, run)) == 2


async def test_a_dead_letter_pauses_its_job_in_the_same_commit(pool: Pool) -> None:
    run = await started(pool, recurrence="daily", max_retries=0, pause_on_failure=True)
    await do(pool, run, FailAttempt(1, "boom", NOW + DAY, 0))
    events = [recorded for recorded in await log(pool) if recorded.type != "JobCreated"][2:]
    assert [recorded.type for recorded in events] == [
        "AttemptFailed", "RunDeadLettered", "OccurrencesSkipped", "JobPaused",
    ]  # fmt: skip
    assert len({recorded.xid for recorded in events}) == 1
    assert events[-1].data["reason"] == f"run {run.id} was dead-lettered"
    await check_invariants(pool)


@pytest.mark.parametrize("pauses", [True, False], ids=["a dead letter that pauses", "a redrive"])
async def test_events_that_concern_the_job_wait_for_its_lock(pool: Pool, pauses: bool) -> None:
    run = await started(pool, recurrence="daily", max_retries=0, pause_on_failure=pauses)
    command: RunCommand = FailAttempt(1, "boom", NOW, 0)
    if not pauses:
        await do(pool, run, command)
        command = RedriveRun(None, 3, NOW)
    async with transaction(pool) as db:
        await lock_jobs(db, [run.job_id])
        handling = asyncio.create_task(do(pool, run, command))
        await waiting(pool, handling)
        assert not handling.done()
    assert (await handling).events
    await check_invariants(pool)


async def test_a_run_that_ends_does_not_wait_for_the_lock_of_its_job(pool: Pool) -> None:
    run = await started(pool, pause_on_failure=True)
    async with transaction(pool) as db, asyncio.timeout(60):
        await lock_jobs(db, [run.job_id])
        assert (await do(pool, run, Succeed(1, None, NOW))).events


async def died(pool: Pool, run: Run) -> Run:
    await do(pool, run, start(run))
    result = await do(pool, run, FailAttempt(1, "boom", NOW, 0, retry=False))
    assert result.run is not None
    return result.run


async def triggered(pool: Pool, job_id: UUID, **own: Any) -> Run:
    result = await handle_job(pool, job_id, TriggerRun(uuid4(), Overlap.ALLOW_ALL, context(), **own), ACTOR)
    assert result is not None
    return result.runs[0]


async def test_redrives_stop_at_the_limit_of_active_runs(pool: Pool) -> None:
    job_id = await created(pool)
    runs = [await died(pool, await triggered(pool, job_id)) for _ in range(3)]
    redrives = [RunWork(run.id, RedriveRun(None, 4, NOW, max_active=2)) for run in runs]
    results = await handle_runs(pool, redrives, ACTOR)
    assert [bool(result.events) for result in results] == [True, True, False]
    assert isinstance(results[2].error, TooManyActiveRuns)
    await check_invariants(pool)


async def test_commands_read_no_payload_and_keep_it(pool: Pool) -> None:
    run = await died(pool, await triggered(pool, await created(pool), payload={"n": 1}, own_payload=True))
    assert run.payload is None
    await check_invariants(pool)
    await do(pool, run, RedriveRun(None, 4, NOW, payload=[2], own_payload=True))
    await do(pool, run, CancelRun(None, NOW))
    async with acquire(pool) as db:
        assert (await load_runs(db, [run.id]))[run.id].payload == [2]
    await check_invariants(pool)


async def test_jobs_are_decided_without_payload_and_metadata(pool: Pool) -> None:
    large: dict[str, Any] = {
        "payload": {"to": "a@example.com", "text": "x"},
        "metadata": {"a": 1},
        "recurrence": "daily",
    }
    ids = [await created(pool, **large), await created(pool, payload=[1, "to"]), await created(pool, payload={"to": 1})]
    async with transaction(pool) as db:
        jobs = [locked.job for locked in await load_locked(db, ids)]
    assert [job.definition.payload for job in jobs] == [{"to": "a@example.com"}, {}, {}]
    assert [job.definition.recipients for job in jobs] == [("a@example.com",), (), ()]
    async with transaction(pool) as db:
        await lock_jobs(db, ids)
        await decide_jobs(db, dict.fromkeys(ids, dispatch()), ACTOR)
    await check_invariants(pool)
