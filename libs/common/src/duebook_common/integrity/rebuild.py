"""`duebook rebuild`: write the read models again from the log, while services go on working.

Streams are rebuilt in batches. An append and its rows are one commit, so a snapshot shows which rows are wrong. Only
these are written, in a transaction that keeps others from appending: no row falls behind its stream meanwhile. The rows
of jobs are written under the locks of the jobs.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar
from uuid import UUID

from duebook_common.domain.archive import STREAM as ARCHIVES
from duebook_common.domain.archive import Archive, ArchivedContentsErased
from duebook_common.domain.bulk.state import BulkOperation
from duebook_common.domain.mail import Mail
from duebook_common.domain.queue import events as queue_events
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.state import Run
from duebook_common.integrity.differences import wrong_jobs, wrong_runs
from duebook_common.integrity.workers import PIECES, Workers, job_cuts, spread, stream_cuts, worth
from duebook_common.store import bulk_rows, mail_projection, projections, queue_pauses, statistics
from duebook_common.store.archive_handling import put_archive, put_erasure, wrong_archives, wrong_erasures
from duebook_common.store.database import Connection, Pool, acquire, snapshot, transaction
from duebook_common.store.departure import periods_stay
from duebook_common.store.eventstore import COLUMNS, RecordedEvent
from duebook_common.store.ledger_lines import SETTLED, archived_first_events
from duebook_common.store.locks import lock_jobs
from duebook_common.store.replay import (
    by_stream,
    fold_bulk,
    fold_job,
    fold_mails,
    fold_pauses,
    fold_run,
    moving_job,
    stream_id,
)

_BATCH = 500  # streams

Streams = Mapping[str, Sequence[RecordedEvent]]
T = TypeVar("T")

_STREAMS = f"""
SELECT stream FROM events WHERE version = 1 AND stream > $1 AND stream < $2 AND NOT {SETTLED} ORDER BY stream LIMIT $3
"""  # noqa: S608
_KEEP_FROM_APPENDING = "LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE"
_EVENTS = f"SELECT {COLUMNS} FROM events WHERE stream = ANY($1::text[]) ORDER BY stream, version"  # noqa: S608
_EVENTS_MOVING_JOB = f"""
SELECT {COLUMNS} FROM events WHERE stream = 'job-' || $1::uuid
UNION ALL
SELECT {", ".join(f"events.{column}" for column in COLUMNS.split(", "))} FROM runs
JOIN events ON events.stream = 'run-' || runs.run_id AND events.born = runs.born AND events.version = 1
WHERE runs.job_id = $1::uuid
ORDER BY xid, position
"""  # noqa: S608


@dataclass(slots=True)
class RebuildSummary:
    """How many streams were folded, and how many rows were written or deleted because they differed from the log."""

    streams: int = 0
    replaced: int = 0


def _silent(_: RebuildSummary) -> None:
    """Tell nothing of the progress."""


@dataclass(frozen=True, slots=True)
class _Streams:
    """The streams of runs, jobs or mails behind `start` and before `end`, in the order of their names."""

    start: str
    end: str


async def rebuild(
    pool: Pool,
    progress: Callable[[RebuildSummary], None] = _silent,
    workers: Workers | None = None,
    waiting: Callable[[], None] | None = None,
) -> RebuildSummary:
    """Make every row the fold of its stream. Runs come first: their rows lead to the events that move their jobs.

    `progress` is called with what was done so far, after each batch of runs and of jobs. `workers` share a large log.
    No period leaves meanwhile: of a run that has become a line, the row would be written again. Waits for a period that
    is leaving, and calls `waiting` first.
    """
    async with periods_stay(pool, waiting=waiting):
        async with acquire(pool) as db:
            workers = await worth(db, workers)
        return await _rebuild_all(pool, progress, workers)


async def _rebuild_all(
    pool: Pool, progress: Callable[[RebuildSummary], None], workers: Workers | None
) -> RebuildSummary:
    summary = RebuildSummary()
    for kind in ("run", "job", "mail"):
        await _rebuild_kind(pool, kind, summary, progress, workers)
    put_pauses = _each(_replace_pauses)
    async for streams in _batches(pool, _all_of("queue")):
        await _rebuild(pool, streams, summary, _wrong_pauses, put_pauses)
    await _rebuild(pool, [queue_events.stream(queue_events.INSTALLATION)], summary, _wrong_pauses, put_pauses)
    await _rebuild(pool, [ARCHIVES], summary, _wrong_archives, _each(put_archive))
    async for streams in _batches(pool, _all_of("archive")):
        await _rebuild(pool, streams, summary, _wrong_erasures, _each(lambda db, wrong: put_erasure(db, *wrong)))
    async for streams in _batches(pool, _all_of("bulk")):
        await _rebuild(pool, streams, summary, _wrong_bulk, _each(bulk_rows.put_bulk))
    await statistics.rebuild(pool, datetime.now(UTC))
    async with transaction(pool) as db:
        summary.replaced += await _delete_orphans(db)
    return summary


async def _rebuild_kind(
    pool: Pool,
    kind: str,
    summary: RebuildSummary,
    progress: Callable[[RebuildSummary], None],
    workers: Workers | None,
) -> None:
    def add(done: RebuildSummary) -> None:
        summary.streams += done.streams
        summary.replaced += done.replaced
        progress(summary)

    if workers is None:
        async for done in _rebuilt(pool, _all_of(kind)):
            add(done)
        return
    limits = [f"{kind}-", *await _cuts(pool, kind, workers.count * PIECES), f"{kind}."]
    await spread(workers, _rebuild_part, [_Streams(*pair) for pair in pairwise(limits)], add)


async def _cuts(pool: Pool, kind: str, pieces: int) -> list[str]:
    """Names without the last digit: no stream has such a name, so none lies on a cut. A job is read with its runs."""
    async with acquire(pool) as db:
        if kind == "job":
            return [f"job-{job_id}"[:-1] for job_id in await job_cuts(db, pieces)]
        return sorted({stream[:-1] for stream in await stream_cuts(db, pieces, f"{kind}-")})


async def _rebuild_part(pool: Pool, part: _Streams) -> RebuildSummary:
    summary = RebuildSummary()
    async for done in _rebuilt(pool, part):
        summary.streams += done.streams
        summary.replaced += done.replaced
    return summary


async def _rebuilt(pool: Pool, part: _Streams) -> AsyncIterator[RebuildSummary]:
    """What each batch of streams was: runs, jobs or mails."""
    async for streams in _batches(pool, part):
        summary = RebuildSummary()
        if part.start.startswith("run-"):
            await _rebuild(pool, streams, summary, _wrong_runs, projections.replace_runs)
        elif part.start.startswith("job-"):
            await _rebuild_jobs(pool, [stream_id(stream) for stream in streams], summary)
        else:
            await _rebuild(pool, streams, summary, _wrong_mails, mail_projection.put_mails)
        yield summary


def _all_of(kind: str) -> _Streams:
    return _Streams(f"{kind}-", f"{kind}.")  # '.' follows '-'


async def _batches(pool: Pool, part: _Streams) -> AsyncIterator[list[str]]:
    last = part.start
    while streams := [r["stream"] for r in await pool.fetch(_STREAMS, last, part.end, _BATCH)]:
        yield streams
        last = streams[-1]


async def _rebuild(
    pool: Pool,
    streams: Sequence[str],
    summary: RebuildSummary,
    find: Callable[[Connection, Streams], Awaitable[Sequence[T]]],
    write: Callable[[Connection, Sequence[T]], Awaitable[None]],
) -> None:
    """Write what `find` finds wrong in the rows of these streams."""
    async with snapshot(pool) as db:
        recorded = await _recorded(db, streams)
        wrong = await find(db, recorded)
    summary.streams += len(recorded)
    if wrong:
        async with transaction(pool) as db:
            await db.execute(_KEEP_FROM_APPENDING)
            wrong = await find(db, await _recorded(db, streams))
            await write(db, wrong)
        summary.replaced += len(wrong)


def _each(put: Callable[[Connection, T], Awaitable[None]]) -> Callable[[Connection, Sequence[T]], Awaitable[None]]:
    """A function that writes states one by one."""

    async def write(db: Connection, wrong: Sequence[T]) -> None:
        for state in wrong:
            await put(db, state)

    return write


async def _recorded(db: Connection, streams: Sequence[str]) -> Streams:
    return by_stream(RecordedEvent(**record) for record in await db.fetch(_EVENTS, streams))


async def _wrong_runs(db: Connection, recorded: Streams) -> list[Run]:
    return await wrong_runs(db, [fold_run(events) for events in recorded.values()])


async def _wrong_mails(db: Connection, recorded: Streams) -> list[Mail]:
    wrong: list[Mail] = []
    for stream, events in recorded.items():
        rows = await mail_projection.load_mails(db, stream_id(stream))
        wrong += [mail for key, mail in fold_mails(events).items() if rows.get(key) != mail]
    return wrong


async def _wrong_pauses(db: Connection, recorded: Streams) -> list[tuple[str, list[Pause]]]:
    folds = [(queue_events.name_of(stream), fold_pauses(events)) for stream, events in recorded.items()]
    return [(name, fold) for name, fold in folds if await queue_pauses.pauses_of(db, name) != fold]


async def _replace_pauses(db: Connection, wrong: tuple[str, list[Pause]]) -> None:
    await queue_pauses.replace_pauses(db, *wrong)


async def _wrong_archives(db: Connection, recorded: Streams) -> list[Archive]:
    return await wrong_archives(db, recorded.get(ARCHIVES, ()))


async def _wrong_erasures(db: Connection, recorded: Streams) -> list[tuple[ArchivedContentsErased, int]]:
    return await wrong_erasures(db, [item for events in recorded.values() for item in events])


async def _wrong_bulk(db: Connection, recorded: Streams) -> list[BulkOperation]:
    folds = [fold_bulk(events) for events in recorded.values()]
    rows = await bulk_rows.load_bulk(db, [fold.id for fold in folds])
    return [fold for fold in folds if fold.id not in rows or rows[fold.id].bulk != fold]


async def _rebuild_jobs(pool: Pool, job_ids: Sequence[UUID], summary: RebuildSummary) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, job_ids)
        folds = [fold_job(job_id, await _events_moving_job(db, job_id)) for job_id in job_ids]
        wrong = await wrong_jobs(db, folds)
        await projections.replace_jobs(db, wrong)
    summary.streams += len(folds)
    summary.replaced += len(wrong)


async def _events_moving_job(db: Connection, job_id: UUID) -> list[RecordedEvent]:
    recorded = [RecordedEvent(**record) for record in await db.fetch(_EVENTS_MOVING_JOB, job_id)]
    archived = await archived_first_events(db, [job_id])
    return moving_job(recorded, archived[job_id]) if archived else recorded


async def _delete_orphans(db: Connection) -> int:
    parts = (projections, mail_projection, queue_pauses, bulk_rows)
    return sum([await part.delete_orphans(db) for part in parts])
