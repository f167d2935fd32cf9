"""`duebook rebuild`: the read models from the log, stream by stream, beside running services.

Each batch holds its heads or its jobs' locks while it folds, compares and replaces, so nobody can append to these
streams meanwhile, and commits by itself.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.store import mail_projection, projections
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import COLUMNS, RecordedEvent
from duebook_common.store.locks import lock_jobs
from duebook_common.store.replay import fold_job, fold_mails, fold_run, same_run, stream_id
from duebook_common.store.rows import inconsistent_jobs, load_jobs, load_runs

_BATCH = 500

_PEEK = "SELECT stream FROM heads WHERE stream > $1 AND stream < $2 ORDER BY stream LIMIT $3"
_HOLD = "SELECT stream FROM heads WHERE stream = ANY($1::text[]) ORDER BY stream FOR UPDATE"
_EVENTS = f"SELECT {COLUMNS} FROM events WHERE stream = ANY($1::text[]) ORDER BY stream, version"  # noqa: S608
_JOB_EVENTS = f"""
SELECT {COLUMNS} FROM events WHERE stream = 'job-' || $1::uuid
UNION ALL
SELECT {", ".join(f"events.{column}" for column in COLUMNS.split(", "))} FROM runs
JOIN events ON events.stream = 'run-' || runs.run_id AND events.version = 1
WHERE runs.job_id = $1::uuid
ORDER BY xid, position
"""  # noqa: S608
_DROP_RUNS = "DELETE FROM runs WHERE run_id = ANY($1::uuid[])"
_DROP_JOBS = "DELETE FROM jobs WHERE job_id = ANY($1::uuid[])"
_ORPHANS = """
WITH gone AS (
    DELETE FROM {table} AS t WHERE NOT EXISTS (SELECT FROM heads WHERE stream = '{kind}-' || t.{key}) RETURNING 1
)
SELECT count(*) FROM gone
"""


@dataclass(slots=True)
class RebuildSummary:
    """How many streams were folded, and how many rows did not tell what the log tells."""

    streams: int = 0
    replaced: int = 0


async def rebuild(pool: Pool) -> RebuildSummary:
    """Make every row what the log says; runs before jobs, since jobs are moved on by them."""
    done = RebuildSummary()
    async for streams in _batches(pool, "run-"):
        await _rebuild_runs(pool, streams, done)
    async for streams in _batches(pool, "job-"):
        await _rebuild_jobs(pool, [stream_id(stream) for stream in streams], done)
    async for streams in _batches(pool, "mail-"):
        await _rebuild_mails(pool, streams, done)
    async with transaction(pool) as db:
        for table, kind, key in (("runs", "run", "run_id"), ("jobs", "job", "job_id"), ("mails", "mail", "run_id")):
            done.replaced += await db.fetchval(_ORPHANS.format(table=table, kind=kind, key=key))
    return done


async def _batches(pool: Pool, prefix: str) -> AsyncIterator[list[str]]:
    last, end = prefix, prefix[:-1] + "."  # '.' follows '-'
    while streams := [r["stream"] for r in await pool.fetch(_PEEK, last, end, _BATCH)]:
        yield streams
        last = streams[-1]


async def _rebuild_runs(pool: Pool, streams: Sequence[str], done: RebuildSummary) -> None:
    async with transaction(pool) as db:
        events = await _held(db, streams)
        folds = [fold_run(found) for found in events.values()]
        rows = await load_runs(db, [fold.id for fold in folds])
        wrong = [fold for fold in folds if not same_run(rows.get(fold.id), fold)]
        await _replace_runs(db, wrong)
    done.streams += len(folds)
    done.replaced += len(wrong)


async def _held(db: Connection, streams: Sequence[str]) -> dict[str, list[RecordedEvent]]:
    """The events of streams, whose heads are held from now on: nobody appends to them meanwhile."""
    await db.fetch(_HOLD, streams)
    events: dict[str, list[RecordedEvent]] = {}
    for record in await db.fetch(_EVENTS, streams):
        events.setdefault(record["stream"], []).append(RecordedEvent(**record))
    return events


async def _replace_runs(db: Connection, runs: Sequence[Run]) -> None:
    if runs:
        await db.execute(_DROP_RUNS, [run.id for run in runs])
        await projections.insert_runs(db, runs)


async def _rebuild_jobs(pool: Pool, job_ids: Sequence[UUID], done: RebuildSummary) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, job_ids)
        folds = [fold_job(id_, await _recorded(db, id_)) for id_ in job_ids]
        rows = await load_jobs(db, job_ids)
        torn = await inconsistent_jobs(db, job_ids)
        wrong: list[Job] = [fold for fold in folds if rows.get(fold.id) != fold or fold.id in torn]
        if wrong:
            await db.execute(_DROP_JOBS, [job.id for job in wrong])
            await projections.insert_jobs(db, wrong)
    done.streams += len(folds)
    done.replaced += len(wrong)


async def _rebuild_mails(pool: Pool, streams: Sequence[str], done: RebuildSummary) -> None:
    async with transaction(pool) as db:
        for stream, recorded in (await _held(db, streams)).items():
            rows = await mail_projection.load_mails(db, stream_id(stream))
            wrong = [mail for key, mail in fold_mails(recorded).items() if rows.get(key) != mail]
            for mail in wrong:
                await mail_projection.put_mail(db, mail)
            done.replaced += len(wrong)
    done.streams += len(streams)


async def _recorded(db: Connection, job_id: UUID) -> list[RecordedEvent]:
    return [RecordedEvent(**record) for record in await db.fetch(_JOB_EVENTS, job_id)]
