"""Commands that erase contents: of runs, of a job, and, as a scheduler works them off, of the runs of erased jobs.

What is in an archive is erased by an event that the next run of the archiver obeys.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from duebook_common.domain.archive import ArchivedContentsErased
from duebook_common.domain.job.commands import EraseJob
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.commands import EraseRun
from duebook_common.domain.statistics import EPOCH
from duebook_common.store.actor import Actor
from duebook_common.store.archive_handling import erase_from_archive
from duebook_common.store.conflict import TRIES, Conflict
from duebook_common.store.contents import REMEMBER, erase_rest_of_job
from duebook_common.store.contents import erase_runs as erase_contents
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.job_handling import handle_job
from duebook_common.store.ledger_lines import forget_request
from duebook_common.store.run_handling import CommandResult, RunWork, handle_in_transaction

_BATCH = 100  # runs
_JOB_ERASED = "its job was erased"
_AGAIN_AFTER = timedelta(minutes=1)
_FIRST = EPOCH, EPOCH, UUID(int=0)

# The outcome of a run is told by mail and to follow-ups, which get its result. Until both readers of the log have
# passed its last event, the rows that say what is owed may be missing yet.
_PENDING = """
SELECT run_id FROM runs WHERE run_id = ANY($1::uuid[]) AND erased_at IS NULL AND (
    EXISTS (SELECT FROM mails_owed WHERE mails_owed.run_id = runs.run_id)
    OR EXISTS (SELECT FROM mails WHERE mails.run_id = runs.run_id AND mails.wake_at IS NOT NULL)
    OR EXISTS (
        SELECT FROM events CROSS JOIN unnest('{relay,follow-ups}'::text[]) AS reader
        WHERE events.stream = 'run-' || runs.run_id AND events.version = runs.version AND NOT EXISTS (
            SELECT FROM checkpoints
            WHERE subscriber = reader AND (checkpoints.xid, checkpoints.position) >= (events.xid, events.position)
        )
    )
)
"""
_HAS_DEAD_LETTERS = "SELECT EXISTS (SELECT FROM runs WHERE job_id = $1 AND status = 'dead_lettered')"
_CLAIM = """
UPDATE erasures SET wake_at = $1::timestamptz + $2 WHERE job_id = (
    SELECT job_id FROM erasures WHERE wake_at <= $1 ORDER BY wake_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING job_id, requested_by
"""
_PUT_OFF = "UPDATE erasures SET wake_at = $2 WHERE job_id = $1"
_RUNS = """
SELECT run_id, created_at, nominal_at FROM runs
WHERE job_id = $1 AND (created_at, nominal_at, run_id) > ($2::timestamptz, $3::timestamptz, $4::uuid)
AND erased_at IS NULL ORDER BY created_at, nominal_at, run_id LIMIT $5
"""
_MAILS_PENDING = """
SELECT EXISTS (SELECT FROM mails_owed WHERE job_id = $1)
    OR EXISTS (SELECT FROM mails WHERE job_id = $1 AND wake_at IS NOT NULL)
"""
# The mails about missed occurrences are in no archive that `archived_mails` names before their period has settled. The
# lock keeps a period from being sealed before the erasure is committed.
_PERIODS_OF_MAILS = """
SELECT status FROM periods WHERE born IN (
    SELECT events.born FROM mails JOIN events ON stream = 'mail-' || run_id WHERE mails.job_id = $1
) FOR SHARE
"""
_MAILS_ARCHIVED = """
SELECT EXISTS (
    SELECT FROM archived_mails AS mail WHERE job_id = $1
    AND NOT EXISTS (SELECT FROM archive_erasures AS erasure WHERE erasure.archive = mail.archive AND id = $1)
)
"""
_FORGET = "DELETE FROM erasures WHERE job_id = $1"
_ARCHIVE_OF_RUN = "SELECT archive FROM ledger_lines WHERE run_id = $1"
_ARCHIVES_OF_JOB = """
SELECT archive FROM ledger_lines WHERE job_id = $1
UNION SELECT archive FROM archived_jobs WHERE job_id = $1
UNION SELECT archive FROM archived_mails WHERE job_id = $1
ORDER BY archive
"""


async def erase_runs(
    pool: Pool, run_ids: Sequence[UUID], reason: str | None, now: datetime, actor: Actor
) -> dict[UUID, CommandResult]:
    """Erase the contents of runs that have ended, in one commit; the results by run, each with the error that refused.

    Raises Conflict if runs keep changing.
    """
    for _ in range(TRIES):
        async with transaction(pool) as db:
            pending = {record["run_id"] for record in await db.fetch(_PENDING, run_ids)}
            work = [RunWork(run_id, EraseRun(reason, now, run_id in pending)) for run_id in run_ids]
            decided, _ = await handle_in_transaction(db, work, actor)
            results = {item.run_id: decided[item.id] for item in work if item.id in decided}
            await erase_contents(db, [r.run for r in results.values() if r.run is not None and r.error is None])
        if len(results) == len(run_ids):
            return results
    raise Conflict(f"some of {len(run_ids)} runs kept changing while they were erased")


@dataclass(frozen=True, slots=True)
class EraseJobRequest:
    """The erasure of a deleted job; whether it has dead letters is only known under its lock."""

    reason: str | None
    now: datetime

    async def prepare(self, db: Connection, job: Job) -> EraseJob:
        return EraseJob(self.reason, self.now, bool(await db.fetchval(_HAS_DEAD_LETTERS, job.id)))


async def erase_job(pool: Pool, job_id: UUID, reason: str | None, now: datetime, actor: Actor) -> Job | None:
    """Erase the contents of a deleted job, and have those of its runs erased; None if there is no such job.

    Raises WrongStatus.
    """
    result = await handle_job(pool, job_id, EraseJobRequest(reason, now), actor)
    if result is None:
        return None
    if not result.facts:
        await pool.execute(REMEMBER, job_id, actor.name)
    return result.job


async def erase_archived_run(pool: Pool, run_id: UUID, reason: str | None, now: datetime, actor: Actor) -> None:
    """Record that the contents of a run are to leave its archive, if it is archived."""
    number = await pool.fetchval(_ARCHIVE_OF_RUN, run_id)
    if number is not None:
        await _erase(pool, ArchivedContentsErased(number=number, run_ids=(run_id,), job_ids=(), reason=reason, at=now),
                     actor)  # fmt: skip


async def erase_archived_job(pool: Pool, job_id: UUID, reason: str | None, now: datetime, actor: Actor) -> None:
    """Record that the contents of a job and of its archived runs are to leave all archives that have some."""
    for (number,) in await pool.fetch(_ARCHIVES_OF_JOB, job_id):
        await _erase(pool, ArchivedContentsErased(number=number, run_ids=(), job_ids=(job_id,), reason=reason, at=now),
                     actor)  # fmt: skip
    await forget_request(pool, job_id)


async def _erase(pool: Pool, event: ArchivedContentsErased, actor: Actor) -> None:
    async with transaction(pool) as db:
        await erase_from_archive(db, event, actor)


async def erase_runs_of_a_job(pool: Pool, now: datetime) -> int:
    """Erase the contents of the runs of one erased job; returns 0 if none is due. Safe to run anywhere, and again.

    A run whose outcome is still pending keeps its contents; then the job is due again after a minute. Runs that leave
    for an archive meanwhile have a line by then, so the archives come last.
    """
    claimed = await pool.fetchrow(_CLAIM, now, _AGAIN_AFTER)
    if claimed is None:
        return 0
    job_id, actor, began = claimed["job_id"], Actor(claimed["requested_by"]), time.monotonic()
    after, refused = _FIRST, False
    while rows := await pool.fetch(_RUNS, job_id, *after, _BATCH):
        present = now + timedelta(seconds=time.monotonic() - began)
        results = await erase_runs(pool, [row["run_id"] for row in rows], _JOB_ERASED, present, actor)
        refused |= any(result.error is not None for result in results.values())
        after = rows[-1]["created_at"], rows[-1]["nominal_at"], rows[-1]["run_id"]
        await pool.execute(_PUT_OFF, job_id, present + _AGAIN_AFTER)
    await erase_archived_job(pool, job_id, _JOB_ERASED, now, actor)
    if not refused:
        await _finish(pool, job_id)
    return 1


async def _finish(pool: Pool, job_id: UUID) -> None:
    async with transaction(pool) as db:
        leaving = any(row["status"] == "leaving" for row in await db.fetch(_PERIODS_OF_MAILS, job_id))
        if leaving or await db.fetchval(_MAILS_ARCHIVED, job_id):
            return
        if not await db.fetchval(_MAILS_PENDING, job_id):
            await erase_rest_of_job(db, job_id)
            await db.execute(_FORGET, job_id)
