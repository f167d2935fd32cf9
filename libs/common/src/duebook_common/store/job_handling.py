"""Commands of jobs: load, decide, append and project, in one transaction under the job's lock.

A decision that depends on other runs of the job, or on its schedule, belongs here. A decision about a single run's own
life needs no lock, since the run's version detects conflicts: see `run_handling`.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol, runtime_checkable
from uuid import UUID

from duebook_common.domain.job.ahead import Wait, awaited_instant
from duebook_common.domain.job.commands import (
    Backfill,
    ChangeJob,
    DeleteJob,
    JobCommand,
    PauseJob,
    ResumeJob,
    TriggerRun,
)
from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job
from duebook_common.runtime.telemetry import CONFLICTS
from duebook_common.store import projections, wakeups
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import TRIES, Conflict
from duebook_common.store.contents import erase_jobs
from duebook_common.store.database import Connection, Pool, acquire, transaction
from duebook_common.store.eventstore import append_each
from duebook_common.store.job_plan import (
    CommandT,
    CommandT_co,
    CommitPlan,
    JobResult,
    LockedJob,
    NewJob,
    decide_locked,
    plan_commit,
    plan_creation,
)
from duebook_common.store.locks import lock_jobs
from duebook_common.store.new_jobs import open_jobs
from duebook_common.store.queue_pauses import pauses_since
from duebook_common.store.rows import load_active_runs, load_jobs, load_jobs_to_decide


@runtime_checkable
class Preparation(Protocol[CommandT_co]):
    """A request whose command is only known under the job's lock.

    Some decisions need facts that nothing but the lock keeps from changing: the definition that a patch changes, the
    run that an Idempotency-Key has started, the ledger that a backfill completes. A command carries facts and no
    connection, so `handle_job` calls `prepare` once it holds the lock, and again after each conflict.
    """

    async def prepare(self, db: Connection, job: Job) -> CommandT_co:
        """The command for the job; may raise, so that nothing is written."""
        ...


async def create_jobs(pool: Pool, created: Mapping[UUID, JobCreated], actor: Actor) -> list[Job] | None:
    """Open the streams of new jobs, all or none; None if one of them exists already."""
    plan = plan_creation([NewJob(id_, event, actor) for id_, event in created.items()])
    try:
        async with transaction(pool) as db:
            await _execute(db, plan)
    except Conflict:
        return None
    return plan.created_jobs


async def create_each(pool: Pool, new_jobs: Sequence[NewJob]) -> list[Job | None]:
    """Open the streams of new jobs in one commit of one statement; None in place of each that exists already.

    The ids differ. A job with a key is the only one: several could deadlock with those of another commit. Raises
    JobKeyTaken.
    """
    async with acquire(pool) as db:
        opened = await open_jobs(db, new_jobs)
    return [new.job if new.id in opened else None for new in new_jobs]


async def handle_job(
    pool: Pool, job_id: UUID, command: CommandT | Preparation[CommandT], actor: Actor
) -> JobResult[CommandT] | None:
    """Decide a command under the job's lock; None if there is no such job.

    Decides again if a run of the job changed between read and append. Waits for the instant of a run that was decided
    ahead of it where the command concerns that run, without the lock: what the command stops has begun, or never does.
    Raises what `decide` and `prepare` raise, and Conflict if its runs keep changing.
    """
    since: datetime | None = None
    for _ in range(TRIES):
        try:
            async with transaction(pool) as db:
                await lock_jobs(db, [job_id])
                return await _decide_job(db, job_id, command, actor, since)
        except Conflict:
            CONFLICTS.inc()
        except _InstantAhead as ahead:
            since = ahead.wait.instant
            await asyncio.sleep(ahead.wait.seconds)
    raise Conflict(f"the runs of job {job_id} kept changing during its command")


class _InstantAhead(Exception):
    """The command has to wait. Nothing was written."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self.wait = wait


def _no_earlier(command: CommandT, time: datetime) -> CommandT:
    """The command at `time` (UTC), unless its own time is later."""
    if isinstance(command, ResumeJob | DeleteJob):
        return replace(command, now=max(command.now, time))
    if isinstance(command, ChangeJob | PauseJob | Backfill):
        return replace(command, context=replace(command.context, now=max(command.context.now, time)))
    return command


async def _decide_job(
    db: Connection, job_id: UUID, command: CommandT | Preparation[CommandT], actor: Actor, since: datetime | None
) -> JobResult[CommandT] | None:
    """`since`: the instant for which the command has waited, so that it is decided by no earlier time."""
    job = (await load_jobs(db, [job_id])).get(job_id)
    if job is None:
        return None
    prepared = await command.prepare(db, job) if isinstance(command, Preparation) else command
    prepared = await _with_pauses(db, job, prepared if since is None else _no_earlier(prepared, since))
    active = await load_active_runs(db, [job_id])  # after `prepare`, which may take long while runs change
    locked = LockedJob(job, active.get(job_id, []))
    if (wait := awaited_instant(prepared, locked.active)) is not None:
        raise _InstantAhead(wait)
    result = decide_locked(locked, prepared)
    await record(db, [result], actor)
    return result


async def _with_pauses(db: Connection, job: Job, command: CommandT) -> CommandT:
    """The command with the pauses on which new runs and missed occurrences depend.

    Without their lock: the scheduler looks soon at a run that it may not have to send.
    """
    if not isinstance(command, ChangeJob | PauseJob | TriggerRun | Backfill):
        return command
    context = command.context
    pauses = await pauses_since(db, min(job.wake_at or context.now, context.now))
    return replace(command, context=replace(context, pauses=pauses.of(job.definition.queue)))


async def decide_jobs(db: Connection, commands: Mapping[UUID, JobCommand], actor: Actor) -> list[JobResult[JobCommand]]:
    """Decide a command for each job; the caller holds their locks. Raises Conflict: roll back then."""
    results = [decide_locked(before, commands[before.job.id]) for before in await load_locked(db, commands)]
    await record(db, results, actor)
    return results


async def load_locked(db: Connection, job_ids: Iterable[UUID]) -> list[LockedJob]:
    """The jobs that exist, in the order of `job_ids`, with their active runs; the caller holds their locks.

    Read without payloads and metadata: many jobs are decided at once, and each may have hundreds of kilobytes.
    """
    jobs = await load_jobs_to_decide(db, job_ids)
    active = await load_active_runs(db, jobs)
    return [LockedJob(job, active.get(job.id, [])) for job in jobs.values()]


async def record(db: Connection, results: Iterable[JobResult[JobCommand]], actor: Actor) -> None:
    """Append the facts and write the rows. Raises Conflict if a stream has changed since its read: roll back then."""
    plan = plan_commit(results, actor)
    await _execute(db, plan)
    await erase_jobs(db, plan.erased_jobs, actor)


async def _execute(db: Connection, plan: CommitPlan) -> None:
    accepted = await append_each(db, plan.writes)
    if len(accepted) < len(plan.writes):
        raise Conflict(
            jobs=(write.job_id for write in plan.writes if write.stream not in accepted and write.job_id is not None)
        )
    plan.note_periods(accepted)
    await projections.insert_jobs(db, plan.created_jobs)
    await projections.redefine_jobs(db, plan.redefined_jobs)
    await projections.update_jobs(db, plan.updated_jobs)
    await projections.insert_runs(db, plan.opened_runs)
    await projections.update_runs(db, plan.updated_runs)
    await wakeups.wake_waiting(db, plan.freeing_runs, deciding=True)
    await wakeups.await_runs(db, plan.awaited_runs)
