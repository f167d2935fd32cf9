"""Backfill: runs for past nominal times that did not run, each with the definition that was in force at its time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_api.history.archived import existing_job
from duebook_api.http.problems import Fault, invalid
from duebook_api.jobs.commands import handle
from duebook_api.ledger.ledger import range_too_long, read_ledger
from duebook_api.schemas.bodies import BackfillBody
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import JobDeletedAlready
from duebook_common.domain.job.commands import Backfill, PastOccurrence
from duebook_common.domain.job.ledger import UNACCOUNTED, LedgerEntry
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.ids import run_id_of_backfill
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.actor import Actor
from duebook_common.store.codec import rfc3339
from duebook_common.store.database import Connection, snapshot
from duebook_common.store.job_plan import LockedJob, decide_locked
from duebook_common.store.rows import load_active_runs, load_runs

_MAX_RUNS = 1_000  # of one request
_INSTANT = timedelta(microseconds=1)
_NOT_RUN = frozenset({RunStatus.SKIPPED, UNACCOUNTED})


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """The backfill of a time range, which depends on the job's ledger: its command is prepared under the job's lock."""

    deps: Dependencies
    body: BackfillBody
    now: datetime

    async def prepare(self, db: Connection, job: Job) -> Backfill:
        """Raises JobDeletedAlready, and Problem 422 if the range is not past or holds too many times."""
        _must_be_past(job, self.body, self.now)
        ledger = await read_ledger(db, job, self.body.start, self.body.end - _INSTANT)
        entries = [entry for entry in ledger if _needs_backfill(job.id, entry)]
        if len(entries) > _MAX_RUNS:
            message = f"{len(entries):,} times in this range have not run, and one request backfills {_MAX_RUNS:,}"
            raise range_too_long(message, entries[_MAX_RUNS].nominal_at)
        ids = [run_id_of_backfill(job.id, entry.nominal_at) for entry in entries]
        runs = await load_runs(db, ids)
        occurrences = [
            PastOccurrence(entry.nominal_at, entry.version, runs.get(id_))
            for entry, id_ in zip(entries, ids, strict=True)
        ]
        return Backfill(occurrences, Overlap(self.body.overlap), self.deps.context())


async def backfill(deps: Dependencies, job_id: UUID, body: BackfillBody, actor: Actor) -> list[Run]:
    """The backfills of the range, in order, both new ones and those of earlier requests.

    Raises Problem 404 or 422, JobDeletedAlready.
    """
    result = await handle(deps, job_id, BackfillRequest(deps, body, deps.clock.now()), actor)
    occurrences = result.command.occurrences
    runs = {past.run.id: past.run for past in occurrences if past.run is not None}
    runs |= {run.id: run for run in result.runs}
    return [runs[run_id_of_backfill(job_id, past.nominal_at)] for past in occurrences]


async def plan(deps: Dependencies, job_id: UUID, body: BackfillBody) -> dict[str, Any]:
    """What the backfill would do. Raises what it would raise, and writes nothing."""
    async with snapshot(deps.pool) as db:
        job = await existing_job(db, job_id)
        prepared = await BackfillRequest(deps, body, deps.clock.now()).prepare(db, job)
        active = await load_active_runs(db, [job_id])
    decide_locked(LockedJob(job, active.get(job_id, [])), prepared)
    times = [past.nominal_at for past in prepared.occurrences if past.run is None]
    return {"count": len(times), "already_backfilled": len(prepared.occurrences) - len(times), "times": times}


def _must_be_past(job: Job, body: BackfillBody, now: datetime) -> None:
    if job.status is JobStatus.DELETED:
        raise JobDeletedAlready(job.id)
    if body.start < job.created_at:
        raise invalid(Fault("/from", f"this lies before the job's creation at {rfc3339(job.created_at)}"))
    if body.end > now:
        raise invalid(Fault("/to", f"only past times can be backfilled, and it is {rfc3339(now)}"))


def _needs_backfill(job_id: UUID, entry: LedgerEntry) -> bool:
    """Whether the time has not run, or has a backfill, which the answer repeats unless it is archived."""
    if entry.run_id == run_id_of_backfill(job_id, entry.nominal_at):
        return entry.archived is None
    return entry.outcome in _NOT_RUN
