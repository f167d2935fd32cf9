"""How a period leaves the database: what is still open moves to the open period, all else gets lines instead of rows.

In this order: `move_open`, `seal`, `move_open` again for what came in between, the archive is written and recorded,
`settle`, `drop`. Each step may be stopped anywhere, and repeated.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from typing import ParamSpec, TypeVar
from uuid import UUID

from asyncpg import LockNotAvailableError

from duebook_common.domain.job import events as job_events
from duebook_common.domain.mail import stream as mail_stream
from duebook_common.domain.run import events as run_events
from duebook_common.runtime.pacing import NO_REST, Pace
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.day_lines import note_departure
from duebook_common.store.departed_acts import note_departed_acts
from duebook_common.store.ledger_lines import move_jobs_to_lines, move_to_lines
from duebook_common.store.replay import stream_id
from duebook_common.store.run_notes import forget_notes

P = ParamSpec("P")
T = TypeVar("T")

_ALONE = 7246
_TRIES, _WAIT = 40, 0.25  # for a lock that appends hold: they go on in between
_BATCH = 100  # streams
_LOCK_WAIT = "SET LOCAL lock_timeout = '250ms'"  # whatever needs the table next waits behind this wait

_STREAMS = """
SELECT stream FROM events WHERE born = $1 AND version = 1 AND stream > $2 AND stream < $3 ORDER BY stream LIMIT $4
"""
_OPEN_RUNS = """
SELECT run_id FROM runs WHERE run_id = ANY($2::uuid[]) AND born = $1 AND (
    status NOT IN ('succeeded', 'cancelled', 'skipped', 'discarded')
    OR EXISTS (SELECT FROM mails_owed WHERE mails_owed.run_id = runs.run_id)
    OR EXISTS (SELECT FROM mails WHERE mails.run_id = runs.run_id AND mails.wake_at IS NOT NULL)
    OR EXISTS (
        SELECT FROM jobs WHERE jobs.job_id = runs.job_id
          AND runs.created_at + (definition ->> 'keep')::interval > clock_timestamp()
    )
)
"""
_OPEN_JOBS = """
SELECT job_id FROM jobs WHERE job_id = ANY($2::uuid[]) AND born = $1 AND (
    status NOT IN ('finished', 'deleted')
    OR EXISTS (SELECT FROM runs WHERE runs.job_id = jobs.job_id AND runs.born <> $1)
)
"""
# Mails about missed occurrences have no run, and a period of their own. Those of a run move with it.
_OPEN_MAILS = """
SELECT DISTINCT run_id FROM mails WHERE run_id = ANY($2::uuid[]) AND wake_at IS NOT NULL AND $1::timestamptz IS NOT NULL
"""
_KINDS = (("run-", _OPEN_RUNS), ("mail-", _OPEN_MAILS), ("job-", _OPEN_JOBS))
_RUNS_LEFT = "SELECT run_id FROM runs WHERE run_id = ANY($2::uuid[]) AND born = $1"
_JOBS_LEFT = "SELECT job_id FROM jobs WHERE job_id = ANY($2::uuid[]) AND born = $1"
# An append waits for this lock and then sees what has moved: the stream has another period, so its writer reads again.
# The partitions stay unlocked, so that a vacuum of one does not hold a period back.
_KEEP_FROM_APPENDING = "LOCK TABLE ONLY events, ONLY log_lines IN SHARE ROW EXCLUSIVE MODE"
_OPEN = "(SELECT born FROM periods WHERE status = 'open')"
_MOVE_EVENTS = f"UPDATE events SET born = {_OPEN} WHERE born = $1 AND stream = ANY($2::text[])"  # noqa: S608
_MOVE_LINES = f"""
UPDATE log_lines SET born = {_OPEN} WHERE born = $1 AND run_id = ANY($2::uuid[])
AND job_id IN (SELECT job_id FROM runs WHERE run_id = ANY($2::uuid[]))
"""  # noqa: S608
_MOVE_RUNS = f"UPDATE runs SET born = {_OPEN} WHERE born = $1 AND run_id = ANY($2::uuid[])"  # noqa: S608
_MOVE_JOBS = f"UPDATE jobs SET born = {_OPEN} WHERE born = $1 AND job_id = ANY($2::uuid[])"  # noqa: S608
_SEAL = """
UPDATE periods SET status = 'leaving', sealed_at = pg_current_xact_id() WHERE born = $1 AND status = 'closed'
"""
_LOCK_SEAL = "SELECT CASE WHEN status = 'leaving' THEN sealed_at END FROM periods WHERE born = $1 FOR UPDATE"
_UNSEAL = """
UPDATE periods SET status = 'closed', sealed_at = NULL WHERE born = $1 AND status = 'leaving'
AND NOT EXISTS (SELECT FROM archives WHERE starts_at = $1)
"""
# A mail about missed occurrences has no run, whose line would say later that the archive has mails about the job.
_FORGET_MAILS = """
WITH gone AS (DELETE FROM mails WHERE run_id = ANY($1::uuid[]) RETURNING job_id, run_id)
INSERT INTO archived_mails (job_id, archive)
SELECT DISTINCT job_id, $2::int FROM gone
WHERE NOT EXISTS (SELECT FROM ledger_lines WHERE ledger_lines.run_id = gone.run_id) ON CONFLICT DO NOTHING
"""
_MAILS_OWED = "SELECT EXISTS (SELECT FROM mails_owed JOIN runs USING (run_id) WHERE runs.born = $1)"
_DROP = "SELECT drop_period($1)"


@asynccontextmanager
async def alone(pool: Pool) -> AsyncIterator[Connection | None]:
    """Whether no other process archives or rebuilds, as long as the yielded connection lives; None if one does.

    The lock is that of a transaction that does nothing else, so that a pooler keeps it, and vacuum is not held up.
    """
    async with transaction(pool) as db:
        await db.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield db if await db.fetchval("SELECT pg_try_advisory_xact_lock($1)", _ALONE) else None


@asynccontextmanager
async def periods_stay(
    pool: Pool, pause: float = 1.0, waiting: Callable[[], None] | None = None
) -> AsyncIterator[None]:
    """Let no period leave during the block; first waits for one that leaves, and looks every `pause` seconds.

    `waiting` is called once, if another process archives or rebuilds.
    """
    for look in count():
        async with alone(pool) as db:
            if db is not None:
                yield
                return
        if look == 0 and waiting is not None:
            waiting()
        await asyncio.sleep(pause)


async def move_open(pool: Pool, born: datetime, pace: Pace = NO_REST) -> int:
    """Move what is still open in this period (UTC) to the open one, batch by batch; returns how many streams moved.

    A job moves with its runs, and where one of its runs is of another period; a run with its mails and log lines. After
    each batch, appends have at least as long as the batch kept them from appending.
    """
    moved = 0
    for kind, find in _KINDS:
        async for ids in _batches(pool, born, kind):
            began = time.monotonic()
            moved += (of_batch := await until_locked(_move_batch, pool, born, kind, find, ids))
            await pace.rest_after(time.monotonic() - began, least=1 if of_batch else 0)
    return moved


async def seal(pool: Pool, born: datetime) -> None:
    """Let nothing be appended to this closed period (UTC) from now on. Waits for the appends under way."""
    async with transaction(pool) as db:
        await _keep_from_appending(db)
        await db.execute(_SEAL, born)


async def unseal(pool: Pool, born: datetime) -> None:
    """Take the seal back: the archive could not be written. Does nothing if it was recorded after all."""
    async with transaction(pool) as db:
        await lock_seal(db, born)
        await db.execute(_UNSEAL, born)


async def lock_seal(db: Connection, born: datetime) -> int | None:
    """Keep a period (UTC) as it is until the transaction ends; returns the transaction that sealed it, or None.

    The seal must last from the export to the record: in between another one may take it back, and seal again.
    """
    seal: int | None = await db.fetchval(_LOCK_SEAL, born)
    return seal


async def owes_mails(db: Connection, born: datetime) -> bool:
    """Whether outcomes of runs of this period (UTC) are to be mailed yet: then they must move first."""
    owes: bool = await db.fetchval(_MAILS_OWED, born)
    return owes


async def settle(pool: Pool, born: datetime, archive: int, pace: Pace = NO_REST) -> int:
    """Replace the rows of a sealed period (UTC) by lines that name its archive; returns how many rows are left.

    The hashes of days, and the counts of bulk operations, keep what its events count for.
    """
    left = 0
    async for run_ids in _batches(pool, born, "run-"):
        async with pace.step(), transaction(pool) as db:
            await move_to_lines(db, await _ids(db, _RUNS_LEFT, born, run_ids), archive)
            await forget_notes(db, run_ids)
            left += len(await _ids(db, _RUNS_LEFT, born, run_ids))
    async for run_ids in _batches(pool, born, "mail-"):
        async with pace.step():
            await pool.execute(_FORGET_MAILS, run_ids, archive)
    async for job_ids in _batches(pool, born, "job-"):
        async with pace.step(), transaction(pool) as db:
            await move_jobs_to_lines(db, await _ids(db, _JOBS_LEFT, born, job_ids), archive)
            left += len(await _ids(db, _JOBS_LEFT, born, job_ids))
    await note_departure(pool, born, pace)
    await note_departed_acts(pool, born)
    return left


async def drop(pool: Pool, born: datetime) -> None:
    """Drop the partitions of a sealed period (UTC) whose rows are all settled. Raises LockNotAvailableError: try again.

    All readers and writers of the log wait meanwhile: for milliseconds, and a quarter of a second at most.
    """
    async with transaction(pool) as db:
        await db.execute(_LOCK_WAIT)
        await db.execute(_DROP, born)


async def until_locked(step: Callable[P, Awaitable[T]], *arguments: P.args, **named: P.kwargs) -> T:
    """Try the step again while others hold the lock that it needs; raises LockNotAvailableError after 20 seconds."""
    for _ in range(_TRIES):
        try:
            return await step(*arguments, **named)
        except LockNotAvailableError:
            await asyncio.sleep(_WAIT)
    return await step(*arguments, **named)


async def _batches(pool: Pool, born: datetime, prefix: str) -> AsyncIterator[list[UUID]]:
    """The ids of the period's streams of this kind, some at a time."""
    last, end = prefix, prefix[:-1] + "."  # '.' follows '-'
    while streams := [record["stream"] for record in await pool.fetch(_STREAMS, born, last, end, _BATCH)]:
        yield [stream_id(stream) for stream in streams]
        last = streams[-1]


async def _move_batch(pool: Pool, born: datetime, kind: str, find: str, ids: Sequence[UUID]) -> int:
    """Move those of these streams of a kind that `find` finds to be open; returns how many."""
    if not await _ids(pool, find, born, ids):
        return 0
    async with transaction(pool) as db:
        await _keep_from_appending(db)
        open_ = await _ids(db, find, born, ids)
        for statement, moved in _moves(kind, open_):
            await db.execute(statement, born, moved)
    return len(open_)


def _moves(kind: str, ids: Sequence[UUID]) -> list[tuple[str, Sequence[str] | Sequence[UUID]]]:
    """The statements that move these streams, and their rows, each with its argument."""
    if kind == "mail-":
        return [(_MOVE_EVENTS, [*map(mail_stream, ids)])]
    if kind == "job-":
        return [(_MOVE_EVENTS, [*map(job_events.stream, ids)]), (_MOVE_JOBS, ids)]
    streams = [*map(run_events.stream, ids), *map(mail_stream, ids)]
    return [(_MOVE_EVENTS, streams), (_MOVE_LINES, ids), (_MOVE_RUNS, ids)]


async def _keep_from_appending(db: Connection) -> None:
    await db.execute(_LOCK_WAIT)
    await db.execute(_KEEP_FROM_APPENDING)


async def _ids(db: Connection | Pool, statement: str, born: datetime, ids: Sequence[UUID]) -> list[UUID]:
    return [record[0] for record in await db.fetch(statement, born, ids)]
