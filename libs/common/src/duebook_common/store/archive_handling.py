"""Recording that a period was archived: the event, and the row of the table `archives` that is its read model."""

from collections.abc import Iterable
from typing import Any

from duebook_common.domain.archive import STREAM, LogArchived
from duebook_common.store.actor import Actor
from duebook_common.store.checkpoints import VERIFICATION
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import PERMANENT, RecordedEvent, Write, append

_ARCHIVES = "SELECT * FROM archives ORDER BY number"
_LAST = "SELECT number, digest FROM archives ORDER BY number DESC LIMIT 1"
_BEHIND = """
SELECT subscriber FROM checkpoints WHERE (xid, position) < ($1::xid8, $2) AND subscriber <> $3 ORDER BY subscriber
"""
_INSERT = """
INSERT INTO archives (
    number, period, starts_at, ends_at, digest, previous, address, events, bytes, last_xid, last_position, archived_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::bigint::text::xid8, $11, $12)
ON CONFLICT (number) DO UPDATE SET
    period = excluded.period, starts_at = excluded.starts_at, ends_at = excluded.ends_at, digest = excluded.digest,
    previous = excluded.previous, address = excluded.address, events = excluded.events, bytes = excluded.bytes,
    last_xid = excluded.last_xid, last_position = excluded.last_position, archived_at = excluded.archived_at
"""


async def record_archive(db: Connection, archived: LogArchived, actor: Actor) -> None:
    """Append the event and write its row. Raises Conflict if another process archives at the same time."""
    if await append(db, [_write(archived, actor)]):
        raise Conflict("another process records an archive at the same time")
    await put_archive(db, archived)


def _write(archived: LogArchived, actor: Actor) -> Write:
    return Write(STREAM, archived.number - 1, [archived], None, meta=actor.meta(), born=PERMANENT)


async def put_archive(db: Connection, archived: LogArchived) -> None:
    """Write the row that shows the event."""
    a = archived
    extent = (a.number, a.period, a.start, a.end, a.digest, a.previous, a.address)
    await db.execute(_INSERT, *extent, a.events, a.bytes, a.last_xid, a.last_position, a.at)


async def last_archive(db: Connection) -> tuple[int, str | None]:
    """Number and hash of the newest archive; 0 and None if there is none."""
    record = await db.fetchrow(_LAST)
    return (0, None) if record is None else (record["number"], record["digest"])


async def subscribers_behind(db: Connection, xid: int, position: int) -> list[str]:
    """The subscribers of the log that have not dealt with the event at this position. A verification need not."""
    return [record["subscriber"] for record in await db.fetch(_BEHIND, xid, position, VERIFICATION)]


async def archives(db: Connection) -> list[Any]:
    """All archives, oldest first."""
    return list(await db.fetch(_ARCHIVES))


def archived_of(row: Any) -> LogArchived:
    """The event that a row of `archives` shows."""
    same = ("number", "period", "digest", "previous", "address", "events", "bytes", "last_xid", "last_position")
    times = {"start": row["starts_at"], "end": row["ends_at"], "at": row["archived_at"]}
    return LogArchived(**{name: row[name] for name in same}, **times)


async def wrong_archives(db: Connection, recorded: Iterable[RecordedEvent]) -> list[LogArchived]:
    """Of the events of the stream of archives those whose row is missing, or differs."""
    rows = {row["number"]: archived_of(row) for row in await archives(db)}
    events = [item.event for item in recorded]
    return [event for event in events if isinstance(event, LogArchived) and rows.get(event.number) != event]
