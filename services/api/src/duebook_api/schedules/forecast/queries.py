"""What a forecast reads from the database: jobs, and how long their attempts have taken."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_api.http.filters import Statement, job_conditions, where
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.jobs.definition import define
from duebook_api.jobs.keys import Reference, resolve
from duebook_api.jobs.patch import patched
from duebook_api.schedules.forecast.bodies import ChangeBody, ForecastBody, ForecastFilter
from duebook_api.schedules.forecast.counts import ForecastTooLarge, start_of, step_counts
from duebook_api.schedules.forecast.differences import JobChange, schedules_after
from duebook_api.schedules.forecast.durations import AttemptDuration, MeasuredDurations
from duebook_api.schedules.forecast.forecast import View, compute_comparison, compute_forecast
from duebook_api.schedules.forecast.job_schedules import RESOLUTION, JobSchedule, job_schedule
from duebook_api.schemas.listed import JOB_COLUMNS
from duebook_api.state.dependencies import Dependencies
from duebook_api.state.side_process import SideProcessFailed
from duebook_common.domain.job import change as job_change
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.store.database import Connection, Pool, acquire, snapshot
from duebook_common.store.rows import job_of, load_jobs

T = TypeVar("T")

_MAX_JOBS = 10_000
_JOB_DAYS, _FEW_JOBS = 500, 5

# Without payload and metadata: they may be large, and a forecast does not depend on them.
_JOBS = f"SELECT {JOB_COLUMNS} FROM jobs WHERE {{}} LIMIT {{}}"  # noqa: S608
_HAS_MORE = "SELECT EXISTS (SELECT FROM jobs WHERE {} OFFSET {})"

# A run that was cancelled, discarded or skipped may have ended long after its last attempt. The archived runs of a job
# count if it has no others.
_DURATIONS = """
SELECT avg(seconds)::float8 AS mean, percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95, {key} AS key FROM (
    SELECT {key}, extract(epoch FROM finished_at - started_at)::float8 AS seconds FROM {latest}
    WHERE finished_at >= started_at AND status NOT IN ('cancelled', 'discarded', 'skipped')
) AS durations
GROUP BY {key}
"""
_JOB_DURATIONS = _DURATIONS.format(
    key="job_id",
    latest="""unnest($1::uuid[]) AS job (id), LATERAL (
    (SELECT job_id, status, started_at, finished_at FROM runs
     WHERE job_id = job.id ORDER BY created_at DESC, run_id DESC LIMIT 20)
    UNION ALL
    (SELECT job_id, status, started_at, finished_at FROM ledger_lines
     WHERE job_id = job.id AND NOT EXISTS (SELECT FROM runs WHERE job_id = job.id) ORDER BY nominal_at DESC LIMIT 20)
) AS latest""",
)
_TASK_DURATIONS = _DURATIONS.format(
    key="task",
    latest="""(
    SELECT task, status, started_at, finished_at FROM runs ORDER BY created_at DESC, run_id DESC LIMIT 5000
) AS latest""",
)


class _Read(NamedTuple):
    """What a forecast is computed from: the jobs that the filter matches, and those that changes are about."""

    body: ForecastBody
    jobs: Sequence[Any]
    changed_jobs: Mapping[UUID, Job]
    durations: MeasuredDurations
    now: datetime


async def forecast(deps: Dependencies, body: ForecastBody, client: str) -> View:
    """The forecast that the body asks for; those of one client wait for each other. Raises Problem 422."""
    return await _computed(deps, body, client, _forecast)


async def comparison(deps: Dependencies, body: ForecastBody, client: str) -> tuple[View, View]:
    """The forecast that the body asks for, and the one without its changes, of the same instant.

    Raises Problem 422.
    """
    return await _computed(deps, body, client, _comparison)


async def steps(deps: Dependencies, body: ForecastBody, client: str, step: timedelta, max_cells: int) -> list[View]:
    """The runs of each step of the window, like `[{"at": …, "runs": 41}]`. Raises Problem 422, also for many jobs."""
    return await _computed(deps, body, client, partial(_steps, step, max_cells))


async def _computed(deps: Dependencies, body: ForecastBody, client: str, compute: Callable[[_Read], T]) -> T:
    now = deps.clock.now()
    if fault := body.window_fault(now):
        raise invalid(Fault(*fault))
    await resolve(deps, *_references(body))
    slots = deps.large_forecasts if (large := await is_large(deps, body)) else deps.forecasts
    async with slots.slot(client):  # before anything is read: what waits holds no jobs in memory
        if not large:
            return await _read_and_compute(deps.pool, body, now, compute)
        try:
            return await deps.side_process.run(_read_and_compute, body, now, compute)
        except SideProcessFailed as error:
            detail = f"the forecast failed: {error}; ask for fewer days, or for fewer jobs by a filter"
            raise Problem(503, "forecast_failed", detail, headers={"Retry-After": "60"}) from None


async def _read_and_compute(pool: Pool, body: ForecastBody, now: datetime, compute: Callable[[_Read], T]) -> T:
    async with snapshot(pool) as db:
        jobs = await _read_jobs(db, body.filter)
        changed_jobs = await load_jobs(db, _changed_job_ids(body.changes or ()))
        durations = await _read_durations(db, {job["job_id"] for job in jobs} | changed_jobs.keys())
    return await asyncio.to_thread(_within_limits, compute, _Read(body, jobs, changed_jobs, durations, now))


def _within_limits(compute: Callable[[_Read], T], read: _Read) -> T:
    try:
        return compute(read)
    except ForecastTooLarge as error:
        raise invalid(Fault("", str(error))) from None


def _forecast(read: _Read) -> View:
    changes = None if read.body.changes is None else _job_changes(read)
    schedules = [*_schedules(read, changed=False), *schedules_after(changes or ())]
    return compute_forecast(schedules, changes, read.durations, read.body.from_, read.body.to)


def _steps(step: timedelta, max_cells: int, read: _Read) -> list[View]:
    counts = step_counts(_schedules(read, changed=False), read.body.from_, read.body.to, step, max_cells)
    return [{"at": start_of(number, step), "runs": counts[number]} for number in sorted(counts)]


def _comparison(read: _Read) -> tuple[View, View]:
    unchanged, before, changes = _schedules(read, changed=False), _schedules(read, changed=True), _job_changes(read)
    window = (read.body.from_, read.body.to)
    return compute_comparison(unchanged, before, changes, read.durations, *window)


def _schedules(read: _Read, *, changed: bool) -> list[JobSchedule]:
    """Those of the jobs that the filter matches, as they are: of the ones that changes are about, or of the others."""
    jobs = (job for job in read.jobs if (job["job_id"] in read.changed_jobs) is changed)
    return [_job_schedule(job_of(job), read.now) for job in jobs]


def _job_changes(read: _Read) -> list[JobChange]:
    changes = enumerate(read.body.changes or ())
    return [_job_change(change, read.changed_jobs, read.now, f"/changes/{n}") for n, change in changes]


def _job_schedule(job: Job, now: datetime, *, new: bool = False) -> JobSchedule:
    """The schedule from the job's next nominal time on. A paused job counts as if it were resumed now."""
    next_at = job.next_at
    if job.status is JobStatus.PAUSED and next_at is not None:
        next_at = max(next_at, now + RESOLUTION)  # no time itself, but no time lies between it and the next one
    return job_schedule(job, None if job.exhausted else next_at, new=new)


def _references(body: ForecastBody) -> Iterator[Reference]:
    """The fields that name a job by its id or key."""
    yield Reference(body.filter, "job_id", "/filter/job_id")
    for n, change in enumerate(body.changes or ()):
        for field in ("job_id", "delete"):
            yield Reference(change, field, f"/changes/{n}/{field}")


def _changed_job_ids(changes: Iterable[ChangeBody]) -> list[UUID]:
    """The existing jobs that the changes are about. Raises Problem 422 if two changes are about the same job."""
    changes_by_job: dict[UUID, int] = {}
    for n, change in enumerate(changes):
        text = change.job_id or change.delete
        if text is not None and changes_by_job.setdefault(UUID(text), n) != n:
            first = changes_by_job[UUID(text)]
            raise invalid(Fault(f"/changes/{n}", f"change {first} is about this job already; make them one"))
    return list(changes_by_job)


def _job_change(body: ChangeBody, jobs: Mapping[UUID, Job], now: datetime, pointer: str) -> JobChange:
    """The job's schedule before and after the change; `pointer` is that of the change in the request."""
    if body.create is not None:
        return JobChange(None, _created_schedule(body, now, pointer))
    field = "delete" if body.delete is not None else "job_id"
    job = jobs.get(UUID(body.job_id or body.delete))
    if job is None or job.status is JobStatus.DELETED:
        raise invalid(Fault(f"{pointer}/{field}", "there is no such job" if job is None else "this job is deleted"))
    before = _job_schedule(job, now)
    if body.patch is None:
        return JobChange(before, None)
    definition = patched(job.definition, body.patch, now, f"{pointer}/patch")
    after = job_state.job_after(job, job_change.change(job, definition, now, run_exists=False))
    return JobChange(before, _job_schedule(after, now))


def _created_schedule(body: ChangeBody, now: datetime, pointer: str) -> JobSchedule:
    assert body.create is not None
    job_id = uuids.uuid7()
    created = job_decide.create(job_id, define(body.create, now, f"{pointer}/create"), now)
    return _job_schedule(job_state.opened(job_id, created), now, new=True)


async def is_large(deps: Dependencies, body: ForecastBody) -> bool:
    """Whether the forecast may take longer than a tenth of a second, by the days, the jobs and the changes."""
    few = max(_FEW_JOBS, _JOB_DAYS // max(1, (body.to - body.from_).days)) - len(body.changes or ())
    if few < 0:
        return True
    condition, arguments = _matching(body.filter)
    async with acquire(deps.pool) as db:
        return bool(await db.fetchval(_HAS_MORE.format(condition, few), *arguments))


def _matching(filter_: ForecastFilter) -> Statement:
    conditions = job_conditions(filter_.name, filter_.task, filter_.queue, filter_.tag)
    return where(("status = {}", filter_.status), ("job_id = {}", filter_.job_id), *conditions)


async def _read_jobs(db: Connection, filter_: ForecastFilter) -> list[Any]:
    """The rows of the jobs that the filter matches. Raises Problem 422 if they are too many."""
    condition, arguments = _matching(filter_)
    records = await db.fetch(_JOBS.format(condition, _MAX_JOBS + 1), *arguments)
    if len(records) > _MAX_JOBS:
        message = f"more than {_MAX_JOBS:,} jobs match; filter by task, queue, tag or name"
        raise invalid(Fault("/filter", message))
    return list(records)


async def _read_durations(db: Connection, job_ids: Iterable[UUID]) -> MeasuredDurations:
    """By the last 20 runs of each job, and by the last 5,000 runs of all for each task."""
    by_job = await db.fetch(_JOB_DURATIONS, list(job_ids))
    by_task = await db.fetch(_TASK_DURATIONS)
    return MeasuredDurations(jobs=_durations_by_key(by_job), tasks=_durations_by_key(by_task))


def _durations_by_key(records: Iterable[Any]) -> dict[Any, AttemptDuration]:
    return {record["key"]: AttemptDuration(record["mean"], record["p95"]) for record in records}
