"""One run in each status, brought there by real commands: what the many runs are copies of."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from duebook_common.domain.definition import Definition, Overlap
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.commands import DecisionContext, TriggerRun
from duebook_common.domain.run.commands import CancelRun, DiscardRun, FailAttempt, RunCommand, StartAttempt, Succeed
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import create_jobs, handle_job
from duebook_common.store.run_handling import RunWork, handle_runs

EXECUTOR = Actor("executor bench")
_LEASE = timedelta(seconds=30)


async def sample_runs(pool: Pool, now: datetime) -> dict[str, UUID]:
    """The ids of one run in each status, by status."""
    start = StartAttempt(0, "executor-1", _LEASE, now)
    fail = FailAttempt(1, "boom", now, chance=0.5)
    dead: list[RunCommand] = [start, replace(fail, retry=False)]
    steps: dict[str, Sequence[RunCommand]] = {
        "dispatched": [],
        "running": [start],
        "succeeded": [start, Succeed(1, {"rows": 17}, now)],
        "retrying": [start, fail],
        "dead_lettered": dead,
        "discarded": [*dead, DiscardRun("a wrong payload", now)],
        "cancelled": [CancelRun("not needed", now)],
    }
    found = {status: await _run(pool, now, *commands) for status, commands in steps.items()}
    return found | {
        "skipped": await _second_run(pool, now, Overlap.SKIP),
        "waiting": await _second_run(pool, now, Overlap.BUFFER_ALL),
    }


async def _job(pool: Pool, now: datetime) -> UUID:
    job_id, later = uuid4(), now + timedelta(days=3650)
    await create_jobs(
        pool, {job_id: job_decide.create(job_id, Definition(name="s", scheduled_at=later), now)}, EXECUTOR
    )
    return job_id


async def _trigger(pool: Pool, now: datetime, job_id: UUID, overlap: Overlap) -> UUID:
    context = DecisionContext(now=now, misfire=_LEASE, look_again_after=_LEASE, dispatch=0)
    run_id = uuid4()
    assert await handle_job(pool, job_id, TriggerRun(run_id, overlap, context), EXECUTOR)
    return run_id


async def _run(pool: Pool, now: datetime, *commands: RunCommand) -> UUID:
    run_id = await _trigger(pool, now, await _job(pool, now), Overlap.SKIP)
    for command in commands:
        [result] = await handle_runs(pool, [RunWork(run_id, command)], EXECUTOR)
        assert result.events, result
    return run_id


async def _second_run(pool: Pool, now: datetime, overlap: Overlap) -> UUID:
    """A run that finds another one of its job active."""
    job_id = await _job(pool, now)
    await _trigger(pool, now, job_id, overlap)
    return await _trigger(pool, now, job_id, overlap)
