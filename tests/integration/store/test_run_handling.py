"""Commands for runs share a commit, and neither their conflicts nor their poison."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from duebook_common.domain.errors import StaleAttempt, WrongStatus
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.run import events
from duebook_common.domain.run.commands import FailAttempt, RedriveRun, RunCommand, Succeed, WakeRun
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.database import Pool, transaction
from duebook_common.store.job_handling import create_jobs, decide_jobs
from duebook_common.store.locks import lock_jobs
from duebook_common.store.run_handling import RunWork, handle_runs
from support.bookkeeping import ACTOR, NOW, check_books, definition, dispatch, dispatched, do, log, start, started
from support.samples import DAY, MINUTE


async def many_started(pool: Pool, count: int) -> list[Run]:
    """Runs of as many jobs, each with its first attempt under way."""
    ids = [uuid4() for _ in range(count)]
    await create_jobs(pool, {id_: job_decide.create(id_, definition(), NOW) for id_ in ids}, ACTOR)
    async with transaction(pool) as db:
        await lock_jobs(db, ids)
        results = await decide_jobs(db, dict.fromkeys(ids, dispatch()), ACTOR)
    runs = [run for result in results for run in result.runs]
    decided = await handle_runs(pool, [RunWork(run.id, start(run), run) for run in runs], ACTOR)
    return [answer.run for answer in decided if answer.run is not None]


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
async def test_one_poisonous_member_of_a_batch_hurts_nobody_else(pool: Pool, name: str) -> None:
    size, poison = 200 if name == "an error text with a NUL" else 12, POISON[name]
    runs = await many_started(pool, size)
    victim = replace(runs[7], status=RunStatus.DEAD_LETTERED) if isinstance(poison, RedriveRun) else runs[7]
    work = [RunWork(run.id, Succeed(1, n, NOW), run) for n, run in enumerate(runs)]
    work[7] = RunWork(victim.id, poison, victim)
    decided = await handle_runs(pool, work, ACTOR)
    assert [n for n, answer in enumerate(decided) if answer.error is not None] == [7]
    assert [d.run.result for d in decided if d.run is not None] == [n for n in range(size) if n != 7]
    assert await types(pool, victim) == ["RunDispatched", "AttemptStarted"]
    await check_books(pool)


async def test_answers_come_in_the_order_of_the_work(pool: Pool) -> None:
    runs = await many_started(pool, 20)
    decided = await handle_runs(pool, [RunWork(run.id, Succeed(1, None, NOW)) for run in reversed(runs)], ACTOR)
    assert [answer.run and answer.run.id for answer in decided] == [run.id for run in reversed(runs)]


async def test_a_batch_is_one_commit(pool: Pool) -> None:
    runs = await many_started(pool, 20)
    await handle_runs(pool, [RunWork(run.id, Succeed(1, None, NOW), run) for run in runs], ACTOR)
    assert len({recorded.xid for recorded in await log(pool) if recorded.type == "AttemptSucceeded"}) == 1


async def test_a_command_judged_by_stale_knowledge_is_judged_anew(pool: Pool) -> None:
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
    await check_books(pool)


async def test_of_many_executors_one_starts_the_attempt(pool: Pool) -> None:
    run = await dispatched(pool)
    work = [RunWork(run.id, replace(start(run), executor=f"executor {n}"), run) for n in range(12)]
    decided = [d for (d,) in await asyncio.gather(*(handle_runs(pool, [item], ACTOR) for item in work))]
    assert sorted(len(answer.events) for answer in decided) == [0] * 11 + [1]
    assert len({answer.run and answer.run.executor for answer in decided}) == 1
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
    told = ["RunDispatched", "AttemptStarted", "AttemptFailed", "RunRequeued", "AttemptStarted"]
    assert await types(pool, run) == told


async def test_commands_for_the_same_run_in_one_batch_follow_each_other(pool: Pool) -> None:
    run = await dispatched(pool)
    work = [RunWork(run.id, start(run), run), RunWork(run.id, Succeed(1, "done", NOW), run)]
    first, second = await handle_runs(pool, work, ACTOR)
    assert [type(event).__name__ for event in (*first.events, *second.events)] == ["AttemptStarted", "AttemptSucceeded"]
    await check_books(pool)


async def test_a_run_that_nobody_knows_is_no_error(pool: Pool) -> None:
    run = await started(pool)
    work = [RunWork(uuid4(), Succeed(1, None, NOW)), RunWork(run.id, Succeed(1, None, NOW))]
    unknown, known = await handle_runs(pool, work, ACTOR)
    assert (unknown.run, unknown.events, unknown.error) == (None, (), None)
    assert known.run is not None


@pytest.mark.parametrize("remembers", [True, False], ids=["with what it knew", "without"])
async def test_a_repeat_after_a_lost_answer_is_known_as_ones_own(pool: Pool, remembers: bool) -> None:
    """The COMMIT went through, its answer did not: the same work comes again."""
    runs = await many_started(pool, 3)
    work = [RunWork(run.id, Succeed(1, n, NOW), run if remembers else None) for n, run in enumerate(runs)]
    await handle_runs(pool, work[:2], ACTOR)
    decided = await handle_runs(pool, work, ACTOR)
    assert [answer.error for answer in decided] == [None] * 3
    assert [answer.run and answer.run.status for answer in decided] == [RunStatus.SUCCEEDED] * 3
    assert [len(answer.events) for answer in decided] == [0, 0, 1]
    for run in runs:
        assert await types(pool, run) == ["RunDispatched", "AttemptStarted", "AttemptSucceeded"]


async def test_a_repeat_is_ones_own_also_when_the_run_has_moved_on(pool: Pool) -> None:
    run = await started(pool, max_retries=0)
    mine = RunWork(run.id, FailAttempt(1, "boom", NOW, 0), run)
    await handle_runs(pool, [mine], ACTOR)
    await do(pool, run, RedriveRun(None, 3, NOW))
    (repeat,) = await handle_runs(pool, [mine], ACTOR)
    (stranger,) = await handle_runs(pool, [replace(mine, id=uuid4())], ACTOR)
    assert repeat.error is None
    assert isinstance(stranger.error, StaleAttempt)
    assert (await types(pool, run))[2:] == ["AttemptFailed", "RunDeadLettered", "RunRedriven"]


async def test_a_refusal_writes_nothing(pool: Pool) -> None:
    run = await started(pool)
    refused = await do(pool, run, RedriveRun(None, 3, NOW))
    assert isinstance(refused.error, WrongStatus)
    assert len(await types(pool, run)) == 2
