"""Backfill: runs for nominal times that have passed without one, each as its job was defined at that time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from duebook_api.http.problems import Fault, invalid, not_found
from duebook_api.jobs.commands import in_lock
from duebook_api.ledger.ledger import read_ledger, shorter
from duebook_api.schemas.bodies import BackfillBody
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import JobDeletedAlready
from duebook_common.domain.job.ledger import UNACCOUNTED, LedgerEntry
from duebook_common.domain.job.new_runs import backfill_runs
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.events import RunFact, run_id_of_backfill
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.codec import rfc3339
from duebook_common.store.database import Connection
from duebook_common.store.job_handling import Actor, JobResult, decide_jobs
from duebook_common.store.rows import load_jobs, load_runs

_MOST = 1_000  # runs that one order makes up for
_INSTANT = timedelta(microseconds=1)
_OPEN = frozenset({RunStatus.SKIPPED, UNACCOUNTED})


async def backfill(deps: Dependencies, job_id: UUID, body: BackfillBody, actor: Actor) -> list[Run]:
    """The runs that make up for the range, in order; of a repeated order the same ones.

    Raises Problem 404 or 422, JobDeletedAlready.
    """
    now, overlap = deps.clock.now(), Overlap(body.overlap)

    async def work(db: Connection) -> JobResult | None:
        job = (await load_jobs(db, [job_id])).get(job_id)
        if job is None:
            return None
        _must_be_past(job, body, now)
        told = await read_ledger(db, job, body.start, body.end - _INSTANT)
        wanted = [line for line in told if _made_up(job_id, line) or line.outcome in _OPEN]
        if len(wanted) > _MOST:
            says = f"{len(wanted):,} runs would make up for this range, and one order makes {_MOST:,}"
            raise shorter(says, wanted[_MOST].nominal_at)
        missing = [line for line in wanted if not _made_up(job_id, line)]

        def judge(job: Job, active: Sequence[Run]) -> list[RunFact]:
            return backfill_runs(
                [(_then(job, line), line.nominal_at) for line in missing], active, deps.context(), overlap
            )

        outcome = (await decide_jobs(db, [job_id], judge, actor))[0]
        ids = [run_id_of_backfill(job_id, line.nominal_at) for line in wanted]
        runs = await load_runs(db, ids)
        return replace(outcome, runs=[runs[id_] for id_ in ids])

    outcome = await in_lock(deps, job_id, work)
    if outcome is None:
        raise not_found(f"job {job_id}")
    if outcome.facts:
        deps.hints.wake()
    for run_id in outcome.stopped:
        deps.hints.cancel(run_id)
    return list(outcome.runs)


def _must_be_past(job: Job, body: BackfillBody, now: datetime) -> None:
    if job.status is JobStatus.DELETED:
        raise JobDeletedAlready(job.id)
    if body.start < job.created_at:
        raise invalid(Fault("/from", f"this lies before the job's creation at {rfc3339(job.created_at)}"))
    if body.end > now:
        raise invalid(Fault("/to", f"only past times can be made up for, and it is {rfc3339(now)}"))


def _made_up(job_id: UUID, line: LedgerEntry) -> bool:
    return line.run_id == run_id_of_backfill(job_id, line.nominal_at)


def _then(job: Job, line: LedgerEntry) -> Job:
    """The job as it was defined at that time."""
    version = line.version
    return replace(job, definition=version.definition, version=version.number, definition_version=version.place)
