"""What the API answers about runs and jobs that have left the database for an archive."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from duebook_api.http.problems import Problem, not_found
from duebook_common.domain.definition import Backoff, Notify
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.definitions import in_force
from duebook_common.store.ledger_lines import LedgerLine, load_lines
from duebook_common.store.rows import load_jobs

_ERASED_AT = "SELECT min(erased_at) FROM archive_erasures WHERE archive = $1 AND id = ANY($2::uuid[])"
_JOB = """
SELECT name, task, queue, status, archived_jobs.created_at, updated_at, archive, erased_at, period FROM archived_jobs
JOIN archives ON archives.number = archived_jobs.archive WHERE job_id = $1
"""
_JOB_EXISTS = "SELECT EXISTS (SELECT FROM jobs WHERE job_id = $1)"
_JOBS = """
SELECT job_id, name, task, queue, archives.period FROM archived_jobs
JOIN archives ON archives.number = archived_jobs.archive WHERE job_id = ANY($1::uuid[])
"""


class _JobNames(NamedTuple):
    """What a run shows of its job. `max_attempts` is 0 where it is not known any more."""

    name: str
    task: str
    queue: str
    max_attempts: int = 0


@dataclass(frozen=True, slots=True)
class ArchivedRun:
    """A run as its ledger line knows it. `period` is the archive that has its events."""

    run: Run
    period: str


async def archived_run(db: Connection, run_id: UUID) -> ArchivedRun | None:
    """The run, if it is archived. Error, result, payload and executor are not known any more."""
    line = (await load_lines(db, [run_id])).get(run_id)
    if line is None:
        return None
    erased_at = line.erased_at or await db.fetchval(_ERASED_AT, line.archive, [line.run_id, line.job_id])
    return ArchivedRun(replace(_run(line, await _names(db, line)), erased_at=erased_at), line.period)


@dataclass(frozen=True, slots=True)
class ArchivedJob:
    """What is kept of a job. `archived` is the period whose archive has its events."""

    id: UUID
    name: str
    task: str
    queue: str
    status: JobStatus
    created_at: datetime
    updated_at: datetime
    erased_at: datetime | None
    archived: str


async def archived_job(db: Connection, job_id: UUID) -> ArchivedJob | None:
    """The job, if it is archived. Its schedule, payload, metadata and version are not known any more."""
    record = await db.fetchrow(_JOB, job_id)
    if record is None:
        return None
    same = ("name", "task", "queue", "created_at", "updated_at")
    return ArchivedJob(
        id=job_id,
        status=JobStatus(record["status"]),
        erased_at=record["erased_at"] or await db.fetchval(_ERASED_AT, record["archive"], [job_id]),
        archived=record["period"],
        **{name: record[name] for name in same},
    )


async def _names(db: Connection, line: LedgerLine) -> _JobNames:
    """By the definition of the run's dispatch, or what is kept of a job that is archived itself."""
    if line.job_id in await load_jobs(db, [line.job_id]):
        [definition] = await in_force(db, [(job_events.stream(line.job_id), line.definition_version)])
        return _JobNames(definition.name, definition.task, definition.queue, definition.max_retries + 1)
    record = await db.fetchrow(_JOBS, [line.job_id])
    assert record is not None
    return _JobNames(record["name"], record["task"], record["queue"])


def _run(line: LedgerLine, names: _JobNames) -> Run:
    same = ("job_id", "job_version", "definition_version", "version", "nominal_at", "due_at", "trigger", "status")
    times = ("created_at", "started_at", "finished_at", "attempt", "failures", "reason")
    return Run(
        id=line.run_id,
        job_name=names.name,
        task=names.task,
        queue=names.queue,
        priority=0,
        max_attempts=names.max_attempts,
        backoff=Backoff(),
        notify=Notify(),
        **{name: getattr(line, name) for name in same + times},
    )


async def missing_run(db: Connection, run_id: UUID, what: str = "run") -> Problem:
    """Problem 410 if the run is archived, else 404: there is no `what` with this id."""
    line = (await load_lines(db, [run_id])).get(run_id)
    return not_found(f"{what} {run_id}") if line is None else archived(f"run {run_id}", line.period)


async def must_not_be_archived(db: Connection, run_id: UUID) -> None:
    """Raises Problem 410 about what the run has logged: its archive has it, and the database nothing."""
    if (line := (await load_lines(db, [run_id])).get(run_id)) is not None:
        raise archived(f"what run {run_id} has logged", line.period)


async def existing_job(db: Connection, job_id: UUID) -> Job:
    """The job; raises Problem 410 if it is archived, and 404 if there is none."""
    job = (await load_jobs(db, [job_id])).get(job_id)
    if job is None:
        raise await missing_job(db, job_id)
    return job


async def job_must_exist(db: Connection, job_id: UUID) -> None:
    """Raises what `existing_job` raises; reads nothing of the job."""
    if not await db.fetchval(_JOB_EXISTS, job_id):
        raise await missing_job(db, job_id)


async def missing_job(db: Connection, job_id: UUID) -> Problem:
    """Problem 410 if the job is archived, else 404."""
    periods = await archived_job_periods(db, [job_id])
    return archived(f"job {job_id}", periods[job_id]) if periods else not_found(f"job {job_id}")


async def archived_job_periods(db: Connection, job_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Those of these jobs that are archived, each with its archive."""
    return {record["job_id"]: record["period"] for record in await db.fetch(_JOBS, list(job_ids))}


def archived(what: str, period: str) -> Problem:
    """Problem 410 about something that is only in an archive."""
    detail = (
        f"{what} has left the database for the archive {period}; `duebook archive restore {period}` makes it readable"
    )
    return Problem(410, "archived", detail)
