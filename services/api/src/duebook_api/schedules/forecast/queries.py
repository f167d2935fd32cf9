"""What a forecast needs from the database: jobs, and how long their attempts have taken."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_api.http.filters import of_jobs, where
from duebook_api.http.problems import Fault, invalid
from duebook_api.jobs.commands import define
from duebook_api.jobs.patch import patched
from duebook_api.schedules.forecast.bodies import ChangeBody, ForecastBody, ForecastFilter
from duebook_api.schedules.forecast.counts import TooMuch
from duebook_api.schedules.forecast.differences import Change
from duebook_api.schedules.forecast.forecast import MeasuredDurations, View, foretell
from duebook_api.schedules.forecast.plans import Lasting, Plan, plan_of
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.job import change as job_change
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.schedule.due import next_occurrence
from duebook_common.store.database import Connection, snapshot
from duebook_common.store.rows import job_of, load_jobs

_MOST_JOBS = 10_000

# Without payloads, which may be large and have no part in it.
_JOBS = """
SELECT job_id, stream_version, version, definition_version, definition - 'payload' - 'metadata' AS definition, status,
       runs, next_at, next_due_at, reason, request_hash, created_at, updated_at
FROM jobs WHERE {} LIMIT {}
"""

_DURATIONS = """
SELECT avg(seconds)::float8 AS mean, percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95, {by} AS of FROM (
    SELECT {by}, extract(epoch FROM finished_at - started_at)::float8 AS seconds FROM {latest}
    WHERE finished_at >= started_at
) AS measured
GROUP BY {by}
"""
_OF_JOBS = _DURATIONS.format(
    by="job_id",
    latest="""unnest($1::uuid[]) AS wanted (id), LATERAL (
    SELECT job_id, started_at, finished_at FROM runs
    WHERE job_id = wanted.id ORDER BY created_at DESC, run_id DESC LIMIT 20
) AS latest""",
)
_OF_TASKS = _DURATIONS.format(
    by="task",
    latest="""(
    SELECT task, started_at, finished_at FROM runs ORDER BY created_at DESC, run_id DESC LIMIT 5000
) AS latest""",
)


async def forecast(deps: Dependencies, body: ForecastBody) -> View:
    """The forecast that is asked for; raises Problem 422."""
    now = deps.clock.now()
    if wrong := body.wrong(now):
        raise invalid(Fault(*wrong))
    async with snapshot(deps.pool) as db:
        records = await _records(db, body.filter)
        touched = await load_jobs(db, _touched(body.changes or ()))
        measured = await _measured(db, {record["job_id"] for record in records} | touched.keys())
    changes = [_change(each, touched, now, f"/changes/{n}") for n, each in enumerate(body.changes or ())]
    rest = [record for record in records if record["job_id"] not in touched]
    async with deps.forecast_lock:  # one at a time: each keeps a core busy
        return await asyncio.to_thread(_foretell, body, rest, changes, measured, now)


def _foretell(
    body: ForecastBody, records: Sequence[Any], changes: Sequence[Change], measured: MeasuredDurations, now: datetime
) -> View:
    plans = [_plan(job_of(record), now) for record in records]
    plans += [change.after for change in changes if change.after is not None]
    try:
        return foretell(plans, None if body.changes is None else changes, measured, body.from_, body.to)
    except TooMuch as error:
        raise invalid(Fault("", str(error))) from None


def _plan(job: Job, now: datetime, *, new: bool = False) -> Plan:
    """What is to come of the job; of a paused one, as if it were resumed now."""
    first = job.next_at
    if job.status is JobStatus.PAUSED:
        first = next_occurrence(job.id, job.definition, now).next_at
    return plan_of(job, None if job.exhausted else first, new=new)


def _touched(changes: Iterable[ChangeBody]) -> list[UUID]:
    """The jobs that the changes name; raises Problem 422 where two name the same."""
    found: dict[UUID, int] = {}
    for n, each in enumerate(changes):
        text = each.job_id or each.delete
        if text is not None and found.setdefault(UUID(text), n) != n:
            first = found[UUID(text)]
            raise invalid(Fault(f"/changes/{n}", f"change {first} is about this job already; make them one"))
    return list(found)


def _change(body: ChangeBody, jobs: Mapping[UUID, Job], now: datetime, root: str) -> Change:
    if body.create is not None:
        job_id = uuids.uuid7()
        created = job_decide.create(job_id, define(body.create, now, f"{root}/create"), now)
        return Change(None, _plan(job_state.opened(job_id, created), now, new=True))
    where = "delete" if body.delete is not None else "job_id"
    job = jobs.get(UUID(body.job_id or body.delete))
    if job is None or job.status is JobStatus.DELETED:
        raise invalid(Fault(f"{root}/{where}", "there is no such job" if job is None else "this job is deleted"))
    if body.patch is None:
        return Change(_plan(job, now), None)
    after = job
    for event in job_change.change(job, patched(job.definition, body.patch, now, f"{root}/patch"), now, ran=False):
        after = job_state.evolve(after, event)
    return Change(_plan(job, now), _plan(after, now))


async def _records(db: Connection, f: ForecastFilter) -> list[Any]:
    asked = of_jobs(f.name, f.task, f.queue, f.tag)
    met, arguments = where(("status = {}", f.status), ("job_id = {}", f.job_id), *asked)
    found = await db.fetch(_JOBS.format(met, _MOST_JOBS + 1), *arguments)
    if len(found) > _MOST_JOBS:
        limit = f"more than {_MOST_JOBS:,} jobs match; narrow it down by task, queue, tag or name"
        raise invalid(Fault("/filter", limit))
    return list(found)


async def _measured(db: Connection, job_ids: Iterable[UUID]) -> MeasuredDurations:
    of_jobs, of_tasks = await db.fetch(_OF_JOBS, list(job_ids)), await db.fetch(_OF_TASKS)
    return MeasuredDurations(jobs=_lasting(of_jobs), tasks=_lasting(of_tasks))


def _lasting(records: Iterable[Any]) -> dict[Any, Lasting]:
    return {record["of"]: Lasting(record["mean"], record["p95"]) for record in records}
