"""What explanations need from the database: events, and the circumstances that a run's status asks about."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_api.state.dependencies import Dependencies
from duebook_api.why import at_time, nominal_times, of_job, of_run
from duebook_api.why.facts import Circumstances, ExplainedRun, JobFacts, Key, QueuePosition, Step, Why
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.state import Job
from duebook_common.domain.run import events
from duebook_common.domain.run.events import RunBuffered, RunSkipped, run_id_at, run_id_of_backfill
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.database import Connection, snapshot
from duebook_common.store.definitions import in_force
from duebook_common.store.eventstore import RecordedEvent, read
from duebook_common.store.predicates import ACTIVE, HAS_KEY, HOLDS_KEY
from duebook_common.store.replay import fold_run
from duebook_common.store.rows import load_jobs, run_of

_A_FEW = 5
_SECOND, _INSTANT = timedelta(seconds=1), timedelta(microseconds=1)


async def why_run(deps: Dependencies, run_id: UUID) -> Why | None:
    """Why the run ran, did not, or waits; None where there is no such run."""
    async with snapshot(deps.pool) as db:
        found = await _explained(db, deps, [run_id])
    return found[0].why if found else None


async def why_job(deps: Dependencies, job_id: UUID, at: datetime | None) -> Why | None:
    """Why the job ran at that time or not, or how it stands now; None where there is no such job."""
    async with snapshot(deps.pool) as db:
        job = (await load_jobs(db, [job_id])).get(job_id)
        if job is None:
            return None
        facts = JobFacts(now=deps.clock.now(), misfire=deps.misfire, job=job, steps=await _steps(db, job))
        if at is None:
            return of_job.explain(replace(facts, runs=await _explained(db, deps, await _latest(db, job_id))))
        place = (job_events.stream(job_id), nominal_times.version_at(facts, at))
        [definition] = await in_force(db, [place])
        at = await asyncio.to_thread(nominal_times.meant, definition, at)
        facts = replace(facts, runs=await _explained(db, deps, await _of_time(db, job_id, at)))
    return at_time.explain(facts, await asyncio.to_thread(nominal_times.look_up, facts, definition, at))


_STEPS = """
SELECT version, type, (data ->> 'at')::timestamptz AS at, meta ->> 'actor' AS actor, data ->> 'reason' AS reason,
       (data ->> 'first')::timestamptz AS first, (data ->> 'last')::timestamptz AS last,
       (data ->> 'count')::int AS count
FROM events WHERE stream = $1 AND (version = 1 OR version > $2) ORDER BY version
"""
_MOST_STEPS = 10_000


async def _steps(db: Connection, job: Job) -> list[Step]:
    records = await db.fetch(_STEPS, job_events.stream(job.id), job.stream_version - _MOST_STEPS)
    return [Step(**record) for record in records]


_ACTIVE = f"""
SELECT run_id FROM runs WHERE job_id = $1 AND {ACTIVE}
ORDER BY status = 'waiting', created_at, nominal_at LIMIT $2
"""  # noqa: S608
_NEWEST = "SELECT run_id FROM runs WHERE job_id = $1 ORDER BY created_at DESC, run_id DESC LIMIT 1"


async def _latest(db: Connection, job_id: UUID) -> list[UUID]:
    """The job's active runs, a few of them, or else its newest."""
    records = await db.fetch(_ACTIVE, job_id, _A_FEW) or await db.fetch(_NEWEST, job_id)
    return [record["run_id"] for record in records]


_BY_HAND = """
SELECT run_id FROM runs WHERE job_id = $1 AND trigger = 'manual' AND created_at >= $2 AND created_at < $3
ORDER BY created_at LIMIT $4
"""


async def _of_time(db: Connection, job_id: UUID, at: datetime) -> list[UUID]:
    """The runs that the time may have: the schedule's, a backfill's, and those started by hand just then."""
    until = at + (_INSTANT if at.microsecond else _SECOND)
    by_hand = await db.fetch(_BY_HAND, job_id, at, until, _A_FEW)
    return [run_id_at(job_id, at), run_id_of_backfill(job_id, at), *(record["run_id"] for record in by_hand)]


async def _explained(db: Connection, deps: Dependencies, run_ids: Iterable[UUID]) -> list[ExplainedRun]:
    """The runs that exist, in the same order, each with its explanation."""
    found = []
    for run_id in run_ids:
        recorded = await read(db, events.stream(run_id))
        if recorded:
            found.append(of_run.explain(run_id, recorded, await _circumstances(db, deps, recorded)))
    return found


async def _circumstances(db: Connection, deps: Dependencies, recorded: Sequence[RecordedEvent]) -> Circumstances:
    run, first = fold_run(recorded), recorded[0]
    jobs = await load_jobs(db, [run.job_id])
    [definition] = await in_force(db, [(job_events.stream(run.job_id), run.definition_version)])
    met = isinstance(first.event, RunSkipped | RunBuffered) and first.event.reason == "overlap"
    waits, queued = run.status is RunStatus.WAITING, run.status is RunStatus.DISPATCHED and run.dispatch > 0
    others = await _before(db, run) if waits and run.reason == "overlap" else []
    return Circumstances(
        now=deps.clock.now(),
        misfire=deps.misfire,
        job=jobs[run.job_id],
        definition=definition,
        met=await _met(db, run, first) if met else (),
        others=others,
        key=await _key(db, run) if waits and not others and run.concurrency is not None else None,
        line=await _line(db, run) if queued else None,
    )


# The clocks of processes differ a little; what counts is the order of the log.
_MET = """
SELECT run_id FROM (
    SELECT run_id, created_at, nominal_at, wake_at, finished_at FROM runs
    WHERE job_id = $1 AND created_at <= $2 ORDER BY created_at DESC, run_id DESC LIMIT 10000
) AS latest
WHERE run_id <> $3 AND (wake_at IS NOT NULL OR finished_at >= $2 - interval '1 second')
ORDER BY created_at, nominal_at LIMIT $4
"""


async def _met(db: Connection, run: Run, first: RecordedEvent) -> list[Run]:
    """The job's runs that were active when this one began, as they stood then."""
    found = []
    for record in await db.fetch(_MET, run.job_id, run.created_at, run.id, _A_FEW):
        recorded = await read(db, events.stream(record["run_id"]))
        past = [item for item in recorded if (item.xid, item.position) < (first.xid, first.position)]
        if past and (other := fold_run(past)).active:
            found.append(other)
    return found


_BEFORE = f"""
SELECT * FROM runs
WHERE job_id = $1 AND run_id <> $2 AND {ACTIVE}
  AND (status <> 'waiting' OR ((trigger = 'backfill'), created_at, nominal_at, run_id) < ($3, $4, $5, $2))
ORDER BY status = 'waiting', created_at, nominal_at LIMIT $6
"""  # noqa: S608


async def _before(db: Connection, run: Run) -> list[Run]:
    """The job's runs that must end before this one, those under way first."""
    backfill = run.trigger is events.Trigger.BACKFILL
    return await _runs(db, _BEFORE, run.job_id, run.id, backfill, run.created_at, run.nominal_at, _A_FEW)


_HOLDERS = f"""
SELECT * FROM runs WHERE concurrency_key = $1 AND {HOLDS_KEY}
ORDER BY created_at, nominal_at LIMIT $2
"""  # noqa: S608
_PLACE = f"""
SELECT count(*) FILTER (WHERE {HOLDS_KEY}) AS held,
       count(*) FILTER (WHERE status = 'waiting' AND (created_at, nominal_at, run_id) < ($2, $3, $4)) AS before
FROM runs WHERE concurrency_key = $1 AND {HAS_KEY}
"""  # noqa: S608


async def _key(db: Connection, run: Run) -> Key:
    assert run.concurrency is not None
    key = run.concurrency.key
    place = await _one(db, _PLACE, key, run.created_at, run.nominal_at, run.id)
    return Key(held=place["held"], before=place["before"], holders=await _runs(db, _HOLDERS, key, _A_FEW))


_LINE = """
SELECT
    (SELECT count(*) FROM runs WHERE queue = $1 AND status = 'dispatched'
     AND (dispatched_at, -priority, due_at, run_id) < ($2, -$3::int, $4, $5)) AS ahead,
    (SELECT count(*) FROM (
        SELECT status FROM runs WHERE queue = $1 AND wake_at IS NOT NULL LIMIT 50000
     ) AS active WHERE status = 'running') AS running,
    (SELECT max(started_at) FROM (
        SELECT queue, started_at FROM runs ORDER BY created_at DESC, run_id DESC LIMIT 2000
     ) AS latest WHERE queue = $1) AS last_start,
    (SELECT seen_at FROM tasks WHERE name = $6) AS task_seen_at
"""


async def _line(db: Connection, run: Run) -> QueuePosition:
    sent = run.dispatched_at, run.priority, run.due_at, run.id
    return QueuePosition(**await _one(db, _LINE, run.queue, *sent, run.task))


async def _runs(db: Connection, query: str, *arguments: Any) -> list[Run]:
    return [run_of(record) for record in await db.fetch(query, *arguments)]


async def _one(db: Connection, query: str, *arguments: Any) -> Any:
    return await db.fetchrow(query, *arguments)
