"""Recording archives and what is erased from them: events, and their read models `archives` and `archive_erasures`."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from duebook_common.domain.archive import (
    STREAM,
    Archive,
    ArchivedContentsErased,
    ArchiveRewritten,
    LogArchived,
    archived,
    rewritten,
    stream_of,
)
from duebook_common.store.actor import Actor
from duebook_common.store.checkpoints import VERIFICATION
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Connection, Pool
from duebook_common.store.eventstore import COLUMNS, PERMANENT, RecordedEvent, Write, append

_ERASING = 7247
_ARCHIVES = "SELECT * FROM archives ORDER BY number"
_LAST = "SELECT (SELECT max(number) FROM archives) AS number, link, digest FROM archives ORDER BY link DESC LIMIT 1"
_BEHIND = """
SELECT subscriber FROM checkpoints WHERE (xid, position) < ($1::xid8, $2) AND subscriber <> $3 ORDER BY subscriber
"""
# A try before this one may have left files.
_PUT = """
INSERT INTO archives (
    number, link, period, starts_at, ends_at, digest, previous, address, events, bytes, last_xid, last_position,
    erasures, archived_at, sweep_due
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::bigint::text::xid8, $12, $13, $14, true)
ON CONFLICT (number) DO UPDATE SET
    link = excluded.link, period = excluded.period, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    digest = excluded.digest, previous = excluded.previous, address = excluded.address, events = excluded.events,
    bytes = excluded.bytes, last_xid = excluded.last_xid, last_position = excluded.last_position,
    erasures = excluded.erasures, archived_at = excluded.archived_at, sweep_due = excluded.sweep_due
"""
_SWEPT = "UPDATE archives SET sweep_due = false WHERE number = $1 AND link = $2"
_CHAIN = f"SELECT {COLUMNS} FROM events WHERE stream = $1 ORDER BY version"  # noqa: S608
_LOCK = "SELECT pg_advisory_xact_lock($1)"
_KNOWN = "SELECT id FROM archive_erasures WHERE archive = $1 AND id = ANY($2::uuid[])"
_VERSION = "SELECT coalesce(max(version), 0) FROM events WHERE stream = $1"
_ERASE = """
INSERT INTO archive_erasures (archive, id, version, erased_at) SELECT $1, id, $3, $4 FROM unnest($2::uuid[]) AS id
ON CONFLICT (archive, id) DO UPDATE SET version = excluded.version, erased_at = excluded.erased_at
"""
_ERASURES = "SELECT archive, id, version, erased_at FROM archive_erasures"
_ERASED = f"{_ERASURES} WHERE archive = $1 AND version > $2"
_PENDING = """
SELECT number, since FROM archives CROSS JOIN LATERAL (
    SELECT min(erased_at) AS since FROM archive_erasures WHERE archive = number AND version > erasures
) AS pending WHERE sweep_due OR since IS NOT NULL ORDER BY number
"""


class PendingArchive(NamedTuple):
    """An archive that has contents that were erased `since` then (UTC); None if only old files may be left of it."""

    number: int
    since: datetime | None


async def record_archive(db: Connection, event: LogArchived | ArchiveRewritten, link: int, actor: Actor) -> Archive:
    """Append the event of a manifest as this link of the chain, and write its row; returns the archive as it is then.

    Raises Conflict if another process archives at the same time.
    """
    if await append(db, [Write(STREAM, link - 1, [event], None, meta=actor.meta(), born=PERMANENT)]):
        raise Conflict("another process records an archive at the same time")
    if isinstance(event, LogArchived):
        archive = archived(event, link)
    else:
        [before] = [each for each in await archives(db) if each.number == event.number]
        archive = rewritten(before, event, link)
    await put_archive(db, archive)
    return archive


async def put_archive(db: Connection, archive: Archive) -> None:
    """Write the row that shows the archive."""
    a = archive
    extent = (a.number, a.link, a.period, a.start, a.end, a.digest, a.previous, a.address, a.events, a.bytes)
    await db.execute(_PUT, *extent, a.last_xid, a.last_position, a.erasures, a.archived_at)


async def note_swept(pool: Pool, archive: Archive) -> None:
    """Note that the files of earlier manifests are gone, unless the archive was written anew since."""
    await pool.execute(_SWEPT, archive.number, archive.link)


class LastArchive(NamedTuple):
    """The number of the newest archive, and link and hash of the newest manifest; 0 and None if there is none."""

    number: int
    link: int
    digest: str | None


async def last_archive(db: Connection) -> LastArchive:
    """The end of the chain."""
    record = await db.fetchrow(_LAST)
    return LastArchive(0, 0, None) if record is None else LastArchive(**record)


async def subscribers_behind(db: Connection, xid: int, position: int) -> list[str]:
    """The subscribers of the log that have not dealt with the event at this position. A verification need not."""
    return [record["subscriber"] for record in await db.fetch(_BEHIND, xid, position, VERIFICATION)]


async def archives(db: Connection) -> list[Archive]:
    """All archives, oldest first."""
    return [_archive(record) for record in await db.fetch(_ARCHIVES)]


def _archive(record: Any) -> Archive:
    times = {"start": record["starts_at"], "end": record["ends_at"]}
    same = {field.name: record[field.name] for field in fields(Archive) if field.name not in times}
    return Archive(**same, **times)


async def chain(db: Connection) -> list[LogArchived | ArchiveRewritten]:
    """The events of all manifests, in the order of the chain."""
    return chain_of([RecordedEvent(**record) for record in await db.fetch(_CHAIN, STREAM)])


def chain_of(recorded: Iterable[RecordedEvent]) -> list[LogArchived | ArchiveRewritten]:
    """The events of manifests among those of the stream of archives."""
    events = [item.event for item in recorded if item.stream == STREAM]
    return [event for event in events if isinstance(event, LogArchived | ArchiveRewritten)]


def fold_archives(events: Sequence[LogArchived | ArchiveRewritten]) -> dict[int, Archive]:
    """The archives by number, from the whole chain."""
    found: dict[int, Archive] = {}
    for link, event in enumerate(events, 1):
        if isinstance(event, LogArchived):
            found[event.number] = archived(event, link)
        elif event.number in found:
            found[event.number] = rewritten(found[event.number], event, link)
    return found


async def wrong_archives(db: Connection, recorded: Iterable[RecordedEvent]) -> list[Archive]:
    """The archives, folded from the stream of archives, whose row is missing or differs."""
    rows = {archive.number: archive for archive in await archives(db)}
    return [fold for fold in fold_archives(chain_of(recorded)).values() if rows.get(fold.number) != fold]


async def erase_from_archive(db: Connection, event: ArchivedContentsErased, actor: Actor) -> None:
    """Record what is to leave an archive, without what was recorded before. Must be the first of its transaction."""
    await db.execute(_LOCK, _ERASING)
    known = {record["id"] for record in await db.fetch(_KNOWN, event.number, [*event.run_ids, *event.job_ids])}
    new = replace(
        event,
        run_ids=tuple(id_ for id_ in event.run_ids if id_ not in known),
        job_ids=tuple(id_ for id_ in event.job_ids if id_ not in known),
    )
    if not new.run_ids and not new.job_ids:
        return
    stream = stream_of(event.number)
    version: int = await db.fetchval(_VERSION, stream)
    if await append(db, [Write(stream, version, [new], None, meta=actor.meta(), born=PERMANENT)]):
        raise Conflict("another process erases from the same archive")
    await put_erasure(db, new, version + 1)


async def put_erasure(db: Connection, event: ArchivedContentsErased, version: int) -> None:
    """Write the rows that show the event, which has this version."""
    await db.execute(_ERASE, event.number, [*event.run_ids, *event.job_ids], version, event.at)


async def wrong_erasures(db: Connection, recorded: Iterable[RecordedEvent]) -> list[tuple[ArchivedContentsErased, int]]:
    """Of the erasures from archives those, each with its version, whose rows are missing or differ."""
    rows = {(row["archive"], row["id"]): (row["version"], row["erased_at"]) for row in await db.fetch(_ERASURES)}
    events = [(item.event, item.version) for item in recorded]
    return [
        (event, version)
        for event, version in events
        if isinstance(event, ArchivedContentsErased)
        and any(rows.get((event.number, id_)) != (version, event.at) for id_ in (*event.run_ids, *event.job_ids))
    ]


async def erased_from(db: Connection, number: int, obeyed: int) -> tuple[frozenset[UUID], int]:
    """The runs and jobs whose contents are to leave the archive by erasures after the version `obeyed`.

    And the version of the last of these erasures, `obeyed` if there is none.
    """
    records = await db.fetch(_ERASED, number, obeyed)
    return frozenset(record["id"] for record in records), max([obeyed, *(record["version"] for record in records)])


async def erasure_overdue(db: Connection) -> float:
    """For how many seconds the oldest erasure has not reached its archive; 0 if all have."""
    waiting = [each.since for each in await pending_archives(db) if each.since is not None]
    now: datetime = await db.fetchval("SELECT clock_timestamp()")
    return max(0.0, (now - min(waiting)).total_seconds()) if waiting else 0.0


async def pending_archives(db: Connection) -> list[PendingArchive]:
    """The archives that an erasure has yet to reach, oldest first."""
    return [PendingArchive(**record) for record in await db.fetch(_PENDING)]
