"""`duebook rebuild`: write the read models again from the log, while services go on working.

Streams are rebuilt in batches, each in a transaction of its own. A batch holds the heads of its streams, or the locks
of its jobs, while it folds, compares and replaces, so no event is appended to them meanwhile.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from duebook_common.domain.queue import events as queue_events
from duebook_common.integrity.differences import wrong_jobs, wrong_runs
from duebook_common.store import bulk_rows, mail_projection, projections, queue_pauses, statistics
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import COLUMNS, RecordedEvent
from duebook_common.store.locks import lock_jobs
from duebook_common.store.replay import by_stream, fold_bulk, fold_job, fold_mails, fold_pauses, fold_run, stream_id

_BATCH = 500  # streams

_STREAMS = "SELECT stream FROM heads WHERE stream > $1 AND stream < $2 ORDER BY stream LIMIT $3"
_HOLD_HEADS = "SELECT stream FROM heads WHERE stream = ANY($1::text[]) ORDER BY stream FOR UPDATE"
_EVENTS = f"SELECT {COLUMNS} FROM events WHERE stream = ANY($1::text[]) ORDER BY stream, version"  # noqa: S608
_EVENTS_MOVING_JOB = f"""
SELECT {COLUMNS} FROM events WHERE stream = 'job-' || $1::uuid
UNION ALL
SELECT {", ".join(f"events.{column}" for column in COLUMNS.split(", "))} FROM runs
JOIN events ON events.stream = 'run-' || runs.run_id AND events.version = 1
WHERE runs.job_id = $1::uuid
ORDER BY xid, position
"""  # noqa: S608


@dataclass(slots=True)
class RebuildSummary:
    """How many streams were folded, and how many rows were written or deleted because they differed from the log."""

    streams: int = 0
    replaced: int = 0


async def rebuild(pool: Pool) -> RebuildSummary:
    """Make every row the fold of its stream. Runs come first: their rows lead to the events that move their jobs."""
    summary = RebuildSummary()
    async for streams in _batches(pool, "run-"):
        await _rebuild_runs(pool, streams, summary)
    async for streams in _batches(pool, "job-"):
        await _rebuild_jobs(pool, [stream_id(stream) for stream in streams], summary)
    async for streams in _batches(pool, "mail-"):
        await _rebuild_mails(pool, streams, summary)
    async for streams in _batches(pool, "queue-"):
        await _rebuild_pauses(pool, streams, summary)
    await _rebuild_pauses(pool, [queue_events.stream(queue_events.INSTALLATION)], summary)
    async for streams in _batches(pool, "bulk-"):
        await _rebuild_bulk(pool, streams, summary)
    await statistics.rebuild(pool, datetime.now(UTC))
    async with transaction(pool) as db:
        summary.replaced += await _delete_orphans(db)
    return summary


async def _batches(pool: Pool, prefix: str) -> AsyncIterator[list[str]]:
    last, end = prefix, prefix[:-1] + "."  # '.' follows '-'
    while streams := [r["stream"] for r in await pool.fetch(_STREAMS, last, end, _BATCH)]:
        yield streams
        last = streams[-1]


async def _rebuild_runs(pool: Pool, streams: Sequence[str], summary: RebuildSummary) -> None:
    async with transaction(pool) as db:
        folds = [fold_run(recorded) for recorded in (await _held(db, streams)).values()]
        wrong = await wrong_runs(db, folds)
        await projections.replace_runs(db, wrong)
    summary.streams += len(folds)
    summary.replaced += len(wrong)


async def _held(db: Connection, streams: Sequence[str]) -> dict[str, list[RecordedEvent]]:
    """The events by stream. No event is appended to these streams before the transaction ends: it holds their heads."""
    await db.fetch(_HOLD_HEADS, streams)
    return by_stream(RecordedEvent(**record) for record in await db.fetch(_EVENTS, streams))


async def _rebuild_jobs(pool: Pool, job_ids: Sequence[UUID], summary: RebuildSummary) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, job_ids)
        folds = [fold_job(job_id, await _events_moving_job(db, job_id)) for job_id in job_ids]
        wrong = await wrong_jobs(db, folds)
        await projections.replace_jobs(db, wrong)
    summary.streams += len(folds)
    summary.replaced += len(wrong)


async def _events_moving_job(db: Connection, job_id: UUID) -> list[RecordedEvent]:
    return [RecordedEvent(**record) for record in await db.fetch(_EVENTS_MOVING_JOB, job_id)]


async def _rebuild_mails(pool: Pool, streams: Sequence[str], summary: RebuildSummary) -> None:
    async with transaction(pool) as db:
        for stream, recorded in (await _held(db, streams)).items():
            rows = await mail_projection.load_mails(db, stream_id(stream))
            wrong = [mail for key, mail in fold_mails(recorded).items() if rows.get(key) != mail]
            await mail_projection.put_mails(db, wrong)
            summary.replaced += len(wrong)
    summary.streams += len(streams)


async def _rebuild_pauses(pool: Pool, streams: Sequence[str], summary: RebuildSummary) -> None:
    async with transaction(pool) as db:
        recorded = await _held(db, streams)
        for stream, items in recorded.items():
            name, folds = queue_events.name_of(stream), fold_pauses(items)
            if await queue_pauses.pauses_of(db, name) != folds:
                await queue_pauses.replace_pauses(db, name, folds)
                summary.replaced += 1
    summary.streams += len(recorded)


async def _rebuild_bulk(pool: Pool, streams: Sequence[str], summary: RebuildSummary) -> None:
    async with transaction(pool) as db:
        folds = [fold_bulk(recorded) for recorded in (await _held(db, streams)).values()]
        rows = await bulk_rows.load_bulk(db, [fold.id for fold in folds])
        for fold in folds:
            if fold.id not in rows or rows[fold.id].bulk != fold:
                await bulk_rows.put_bulk(db, fold)
                summary.replaced += 1
    summary.streams += len(folds)


async def _delete_orphans(db: Connection) -> int:
    parts = (projections, mail_projection, queue_pauses, bulk_rows)
    return sum([await part.delete_orphans(db) for part in parts])
