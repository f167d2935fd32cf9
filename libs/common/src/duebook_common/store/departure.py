"""How a period leaves the database: what is still open moves to the open period, all else gets lines instead of rows.

In this order: `move_open`, `seal`, `move_open` again for what came in between, the archive is written and recorded,
`settle`, `drop`. Each step may be stopped anywhere, and repeated.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from duebook_common.domain.job import events as job_events
from duebook_common.domain.mail import stream as mail_stream
from duebook_common.domain.run import events as run_events
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.day_lines import note_departure
from duebook_common.store.ledger_lines import move_jobs_to_lines, move_to_lines
from duebook_common.store.replay import stream_id

_BATCH = 500  # streams
_LOCK_WAIT = "SET LOCAL lock_timeout = '250ms'"  # whatever needs the table next waits behind this wait

_STREAMS = """
SELECT stream FROM events WHERE born = $1 AND version = 1 AND stream > $2 AND stream < $3 ORDER BY stream LIMIT $4
"""
_OPEN_RUNS = """
SELECT run_id FROM runs WHERE run_id = ANY($2::uuid[]) AND born = $1 AND (
    status NOT IN ('succeeded', 'cancelled', 'skipped', 'discarded')
    OR EXISTS (SELECT FROM mails_owed WHERE mails_owed.run_id = runs.run_id)
    OR EXISTS (SELECT FROM mails WHERE mails.run_id = runs.run_id AND mails.wake_at IS NOT NULL)
)
"""
_OPEN_JOBS = """
SELECT job_id FROM jobs WHERE job_id = ANY($2::uuid[]) AND born = $1 AND (
    status NOT IN ('finished', 'deleted')
    OR EXISTS (SELECT FROM runs WHERE runs.job_id = jobs.job_id AND runs.born <> $1)
)
"""
_RUNS_LEFT = "SELECT run_id FROM runs WHERE run_id = ANY($2::uuid[]) AND born = $1"
_JOBS_LEFT = "SELECT job_id FROM jobs WHERE job_id = ANY($2::uuid[]) AND born = $1"
# An append waits for this lock and then sees what has moved: the stream has another period, so its writer reads again.
_KEEP_FROM_APPENDING = "LOCK TABLE events, log_lines IN SHARE ROW EXCLUSIVE MODE"
_OPEN = "(SELECT born FROM periods WHERE status = 'open')"
_MOVE = (
    f"UPDATE events SET born = {_OPEN} WHERE born = $1 AND stream = ANY($2::text[])",  # noqa: S608
    f"""UPDATE log_lines SET born = {_OPEN} WHERE born = $1 AND run_id = ANY($2::uuid[])
    AND job_id IN (SELECT job_id FROM runs WHERE run_id = ANY($2::uuid[]))""",  # noqa: S608
    f"UPDATE runs SET born = {_OPEN} WHERE born = $1 AND run_id = ANY($2::uuid[])",  # noqa: S608
    f"UPDATE jobs SET born = {_OPEN} WHERE born = $1 AND job_id = ANY($2::uuid[])",  # noqa: S608
)
_SEAL = """
UPDATE periods SET status = 'leaving', sealed_at = pg_current_xact_id() WHERE born = $1 AND status = 'closed'
"""
_UNSEAL = "UPDATE periods SET status = 'closed', sealed_at = NULL WHERE born = $1 AND status = 'leaving'"
_FORGET = (
    "DELETE FROM mails WHERE run_id = ANY($1::uuid[])",
    "DELETE FROM progress WHERE run_id = ANY($1::uuid[])",
    "DELETE FROM task_checkpoints WHERE run_id = ANY($1::uuid[])",
)
_DROP = "SELECT drop_period($1)"


async def move_open(pool: Pool, born: datetime) -> int:
    """Move what is still open in this period (UTC) to the open one, batch by batch; returns how many streams moved.

    A job moves with its runs, and where one of its runs is of another period; a run with its mails and log lines.
    """
    moved = 0
    async for run_ids in _batches(pool, born, "run-"):
        moved += await _move_runs(pool, born, run_ids)
    async for job_ids in _batches(pool, born, "job-"):
        moved += await _move_jobs(pool, born, job_ids)
    return moved


async def seal(pool: Pool, born: datetime) -> None:
    """Let nothing be appended to this closed period (UTC) from now on. Waits for the appends under way."""
    async with transaction(pool) as db:
        await db.execute(_LOCK_WAIT)
        await db.execute(_KEEP_FROM_APPENDING)
        await db.execute(_SEAL, born)


async def unseal(pool: Pool, born: datetime) -> None:
    """Take the seal back: the archive could not be written."""
    await pool.execute(_UNSEAL, born)


async def settle(pool: Pool, born: datetime, archive: int) -> int:
    """Replace the rows of a sealed period (UTC) by lines that name its archive; returns how many rows are left.

    The hashes of days keep what its events count for.
    """
    left = 0
    async for run_ids in _batches(pool, born, "run-"):
        async with transaction(pool) as db:
            await move_to_lines(db, await _ids(db, _RUNS_LEFT, born, run_ids), archive)
            for statement in _FORGET:
                await db.execute(statement, run_ids)
            left += len(await _ids(db, _RUNS_LEFT, born, run_ids))
    async for job_ids in _batches(pool, born, "job-"):
        async with transaction(pool) as db:
            await move_jobs_to_lines(db, await _ids(db, _JOBS_LEFT, born, job_ids), archive)
            left += len(await _ids(db, _JOBS_LEFT, born, job_ids))
    await note_departure(pool, born)
    return left


async def drop(pool: Pool, born: datetime) -> None:
    """Drop the partitions of a sealed period (UTC) whose rows are all settled. Raises LockNotAvailableError: try again.

    All readers and writers of the log wait meanwhile: for milliseconds, and a quarter of a second at most.
    """
    async with transaction(pool) as db:
        await db.execute(_LOCK_WAIT)
        await db.execute(_DROP, born)


async def _batches(pool: Pool, born: datetime, prefix: str) -> AsyncIterator[list[UUID]]:
    """The ids of the period's streams of this kind, some at a time."""
    last, end = prefix, prefix[:-1] + "."  # '.' follows '-'
    while streams := [record["stream"] for record in await pool.fetch(_STREAMS, born, last, end, _BATCH)]:
        yield [stream_id(stream) for stream in streams]
        last = streams[-1]


async def _move_runs(pool: Pool, born: datetime, run_ids: Sequence[UUID]) -> int:
    if not await _ids(pool, _OPEN_RUNS, born, run_ids):
        return 0
    async with transaction(pool) as db:
        await _keep_from_appending(db)
        open_ = await _ids(db, _OPEN_RUNS, born, run_ids)
        streams = [stream(run_id) for run_id in open_ for stream in (run_events.stream, mail_stream)]
        await _move(db, born, streams, run_ids=open_)
    return len(open_)


async def _move_jobs(pool: Pool, born: datetime, job_ids: Sequence[UUID]) -> int:
    if not await _ids(pool, _OPEN_JOBS, born, job_ids):
        return 0
    async with transaction(pool) as db:
        await _keep_from_appending(db)
        open_ = await _ids(db, _OPEN_JOBS, born, job_ids)
        await _move(db, born, [job_events.stream(job_id) for job_id in open_], job_ids=open_)
    return len(open_)


async def _keep_from_appending(db: Connection) -> None:
    await db.execute(_LOCK_WAIT)
    await db.execute(_KEEP_FROM_APPENDING)


async def _move(
    db: Connection,
    born: datetime,
    streams: Sequence[str],
    run_ids: Sequence[UUID] = (),
    job_ids: Sequence[UUID] = (),
) -> None:
    for statement, moved in zip(_MOVE, (streams, run_ids, run_ids, job_ids), strict=True):
        if moved:
            await db.execute(statement, born, moved)


async def _ids(db: Connection | Pool, statement: str, born: datetime, ids: Sequence[UUID]) -> list[UUID]:
    return [record[0] for record in await db.fetch(statement, born, ids)]
