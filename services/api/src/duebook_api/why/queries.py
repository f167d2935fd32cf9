"""Explanations from the database: reads what they need in one snapshot."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from duebook_api.history.archived import archived_run, existing_job
from duebook_api.http.problems import not_found
from duebook_api.schemas.missing_executor import missing_executor
from duebook_api.state.dependencies import Dependencies
from duebook_api.why import at_time, nominal_times, of_archived_run, of_job, of_run
from duebook_api.why.facts import ExplainedRun, Explanation, JobContext, RunContext
from duebook_api.why.job_queries import job_event_summaries, last_hold, present_run_ids, run_ids_at
from duebook_api.why.run_queries import (
    blocking_runs,
    bulk_reason,
    causing_job,
    concurrency_slots,
    met_runs,
    queue_position,
    rate_position,
    reruns,
)
from duebook_common.domain.job import events as job_events
from duebook_common.domain.run import events
from duebook_common.domain.run.events import RunBuffered, RunSkipped
from duebook_common.domain.run.state import ENDED, RunStatus
from duebook_common.store.database import Connection, snapshot
from duebook_common.store.definitions import in_force
from duebook_common.store.eventstore import RecordedEvent, read
from duebook_common.store.executors import served_tasks
from duebook_common.store.queue_pauses import pause_at, pauses_now
from duebook_common.store.replay import fold_run
from duebook_common.store.rows import load_jobs


async def why_run(deps: Dependencies, run_id: UUID) -> Explanation:
    """Why the run ran, did not, or waits; raises Problem 404."""
    async with snapshot(deps.pool) as db:
        runs = await _explain_runs(db, deps, [run_id])
    if not runs:
        raise not_found(f"run {run_id}")
    return runs[0].explanation


async def why_job(deps: Dependencies, job_id: UUID, at: datetime | None) -> Explanation:
    """Why the job ran at that time or not, without a time what it waits for; raises Problem 404 or 410."""
    async with snapshot(deps.pool) as db:
        job = await existing_job(db, job_id)
        job_history = await job_event_summaries(db, job)
        pause = (await pauses_now(db)).going_on(job.definition.queue)
        context = JobContext(now=deps.clock.now(), misfire=deps.misfire, job=job, events=job_history, queue_pause=pause)
        if at is not None:
            return await _why_at(db, deps, context, at)
        runs = await _explain_runs(db, deps, await present_run_ids(db, job_id))
    return of_job.explain(replace(context, runs=runs))


async def _why_at(db: Connection, deps: Dependencies, context: JobContext, at: datetime) -> Explanation:
    job_id, version = context.job.id, nominal_times.definition_version_at(context, at)
    [definition] = await in_force(db, [(job_events.stream(job_id), version)])
    at = await asyncio.to_thread(nominal_times.intended_time, definition, at)
    runs = await _explain_runs(db, deps, await run_ids_at(db, job_id, at))
    time = await asyncio.to_thread(nominal_times.time_context, context, definition, at)
    return at_time.explain(replace(context, runs=runs), time)


async def _explain_runs(db: Connection, deps: Dependencies, run_ids: Iterable[UUID]) -> list[ExplainedRun]:
    """The runs that exist, in the same order."""
    explained = []
    for run_id in run_ids:
        recorded = await read(db, events.stream(run_id))
        if recorded:
            explained.append(of_run.explain(run_id, recorded, await _run_context(db, deps, recorded)))
        elif (found := await archived_run(db, run_id)) is not None:
            [zone] = [job.definition.timezone for job in (await load_jobs(db, [found.run.job_id])).values()] or ["UTC"]
            explained.append(of_archived_run.explain(found.run, found.period, zone))
    return explained


async def _run_context(db: Connection, deps: Dependencies, recorded: Sequence[RecordedEvent]) -> RunContext:
    """Reads only what the run's status calls for."""
    run, first = fold_run(recorded), recorded[0]
    jobs = await load_jobs(db, [run.job_id])
    [definition] = await in_force(db, [(job_events.stream(run.job_id), run.definition_version)])
    overlapped = isinstance(first.event, RunSkipped | RunBuffered) and first.event.reason == "overlap"
    is_waiting, is_queued = run.status is RunStatus.WAITING, run.status is RunStatus.DISPATCHED and run.dispatch > 0
    blockers = await blocking_runs(db, run) if is_waiting and run.reason == "overlap" else []
    unstarted = is_waiting or run.status in {RunStatus.DISPATCHED, RunStatus.RETRYING}
    wants_slot = is_waiting and not run.held and not blockers and run.concurrency is not None
    waits_in_line = is_waiting and not run.held and not blockers and run.rate is not None
    return RunContext(
        now=deps.clock.now(),
        misfire=deps.misfire,
        job=jobs[run.job_id],
        definition=definition,
        met=await met_runs(db, run, first) if overlapped else (),
        blockers=blockers,
        slots=await concurrency_slots(db, run) if wants_slot else None,
        rate_position=await rate_position(db, run, deps.clock.now()) if waits_in_line else None,
        queue_position=await queue_position(db, run) if is_queued else None,
        missing=missing_executor(run.queue, run.task, await served_tasks(db)) if unstarted else None,
        pause=await last_hold(db, run.job_id) if run.held else None,
        bulk_reason=await bulk_reason(db, run),
        causing_job=await causing_job(db, run),
        reruns=await reruns(db, run.id) if run.status in {*ENDED, RunStatus.DEAD_LETTERED} else (),
        queue_pause=(await pauses_now(db)).going_on(run.queue) if unstarted else None,
        kept_by=await pause_at(db, run.queue, run.due_at, deps.misfire) if run.fell_into_pause else None,
    )
