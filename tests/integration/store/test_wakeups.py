"""Whose end wakes whom, also where an end and the decision to wait for it meet."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from duebook_common.domain.definition import Concurrency, Overlap
from duebook_common.domain.job.new_runs import trigger_now
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.commands import CancelRun, FailAttempt, Succeed
from duebook_common.domain.run.events import RunFact
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import handle_job
from duebook_common.store.wakeups import key_holders
from support.bookkeeping import ACTOR, NOW, dispatched, do, started, terms

_WOKEN = "SELECT run_id FROM runs WHERE status = 'waiting' AND wake_at <= clock_timestamp() AND job_id = ANY($1)"
_ASLEEP = "UPDATE runs SET wake_at = clock_timestamp() + interval '1 hour' WHERE status = 'waiting'"


async def triggered(pool: Pool, job_id: UUID, overlap: Overlap = Overlap.BUFFER_ALL) -> Run:
    """A further run of the job, which waits; nobody is to look at it for an hour."""

    def judge(job: Job, active: Sequence[Run]) -> list[RunFact]:
        return trigger_now(job, active, terms(), uuid4(), overlap=overlap)

    outcome = await handle_job(pool, job_id, judge, ACTOR)
    assert outcome is not None
    (run,) = outcome.runs
    assert run.status is RunStatus.WAITING
    return run


async def woken(pool: Pool, *runs: Run) -> set[UUID]:
    return {record["run_id"] for record in await pool.fetch(_WOKEN, [run.job_id for run in runs])}


async def test_the_end_of_a_run_wakes_the_first_that_waits_for_it(pool: Pool) -> None:
    running = await started(pool)
    first, second = await triggered(pool, running.job_id), await triggered(pool, running.job_id)
    await pool.execute(_ASLEEP)
    decided = await do(pool, running, FailAttempt(1, "boom", NOW, 0))
    assert not decided.frees, "a retry is ahead, so it is active still"
    assert await woken(pool, first) == set()
    decided = await do(pool, running, CancelRun(None, NOW))
    assert decided.frees
    assert await woken(pool, first, second) == {first.id}


async def test_who_waits_for_a_run_that_is_just_ending_is_looked_at_at_once(pool: Pool) -> None:
    """The end has locked its row and commits after the decision: it cannot know who waits."""
    running = await started(pool)
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM runs WHERE run_id = $1 FOR UPDATE", running.id)
        waits = await triggered(pool, running.job_id)
        assert await woken(pool, waits) == {waits.id}


async def test_a_run_that_nobody_waits_for_frees_nobody(pool: Pool) -> None:
    running = await started(pool)
    assert not (await do(pool, running, Succeed(1, None, NOW))).frees


async def test_a_key_is_freed_by_the_end_of_its_holder_and_the_oldest_are_woken(pool: Pool) -> None:
    key = Concurrency("k", 1)
    holders = [await dispatched(pool, concurrency=key) for _ in range(6)]
    assert {run.status for run in holders} == {RunStatus.WAITING}
    async with pool.acquire() as db:
        assert await key_holders(db, ["k"]) == {"k": 0}
    await pool.execute(_ASLEEP)
    assert (await do(pool, holders[3], CancelRun(None, NOW))).frees
    oldest = [run.id for run in sorted(holders, key=lambda run: (run.created_at, run.nominal_at))]
    assert len(await woken(pool, *holders)) == 4
    assert await woken(pool, *holders) <= set(oldest)


async def test_the_terminated_are_told_to_stop(pool: Pool) -> None:
    running = await started(pool)
    waits = await triggered(pool, running.job_id)

    def terminate(job: Job, active: Sequence[Run]) -> list[RunFact]:
        return trigger_now(job, active, terms(), uuid4(), overlap=Overlap.TERMINATE_OTHER)

    outcome = await handle_job(pool, running.job_id, terminate, ACTOR)
    assert outcome is not None
    assert {run.id for run in outcome.runs if run.status is RunStatus.CANCELLED} == {running.id, waits.id}
    assert set(outcome.stopped) == {running.id, waits.id}
