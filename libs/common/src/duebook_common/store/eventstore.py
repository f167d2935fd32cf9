"""The log: append to many streams in one statement, read a stream, tail everything without gaps.

A table of stream heads is the judge: a writer names the version it believes, heads are locked in sorted order,
and only the streams whose head agrees get their events. An append must be the first write of its transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_common.domain.ids import uuid5
from duebook_common.store.codec import Event, decode, encode
from duebook_common.store.database import Connection


@dataclass(frozen=True, slots=True)
class Write:
    """One stream's share of an append. `command` makes the events' ids: the same command, the same ids.

    `places` order its events among those of the append's other streams, where one decision made them all.
    """

    stream: str
    expected: int
    events: Sequence[Event]
    job_id: UUID
    command: UUID = field(default_factory=uuids.uuid7)
    meta: bytes = b"{}"
    places: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as it stands in the log. `xid` and `position` together are its place."""

    xid: int
    position: int
    stream: str
    version: int
    id: UUID
    type: str
    data: Any
    meta: Any
    job_id: UUID
    recorded_at: datetime

    @property
    def event(self) -> Event:
        return decode(self.type, self.data)


# Made longer by whoever writes read models in the same statement; `won` names the streams that got their events.
APPEND = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::int[], $3::int[]) AS w (stream, expected, size)
), held AS MATERIALIZED (
    SELECT h.stream, h.version FROM heads h JOIN wanted w USING (stream)
    WHERE w.expected > 0 ORDER BY h.stream FOR UPDATE OF h
), moved AS (
    UPDATE heads h
    SET version = w.expected + w.size, recorded_at = greatest(h.recorded_at, clock_timestamp())
    FROM wanted w JOIN held USING (stream)
    WHERE h.stream = w.stream AND held.version = w.expected AND w.size > 0
    RETURNING h.stream, h.recorded_at
), opened AS (
    INSERT INTO heads (stream, version, recorded_at)
    SELECT stream, size, clock_timestamp() FROM wanted WHERE expected = 0 ORDER BY stream
    ON CONFLICT DO NOTHING
    RETURNING stream, recorded_at
), won AS MATERIALIZED (
    SELECT * FROM moved UNION ALL SELECT * FROM opened UNION ALL
    SELECT w.stream, NULL FROM wanted w JOIN held USING (stream) WHERE held.version = w.expected AND w.size = 0
), recorded AS (
    INSERT INTO events (stream, version, id, type, data, meta, job_id, recorded_at)
    SELECT e.stream, e.version, e.id, e.type, e.data, e.meta, e.job_id, won.recorded_at
    FROM unnest($4::text[], $5::int[], $6::uuid[], $7::text[], $8::jsonb[], $9::jsonb[], $10::uuid[])
         WITH ORDINALITY AS e (stream, version, id, type, data, meta, job_id, n)
    JOIN won USING (stream)
    ORDER BY e.n
)
"""
APPEND_PARAMETERS = 10
_APPEND = f"{APPEND} SELECT stream FROM won"  # noqa: S608


def event_id(command: UUID, stream: str, version: int) -> UUID:
    return uuid5(command, f"{stream}@{version}")


async def append(db: Connection, writes: Sequence[Write]) -> set[str]:
    """Append each write whose stream still has the expected version; returns the streams that did not.

    A write without events only asks whether the version is still the expected one.
    """
    if not writes:
        return set()
    return losers(writes, await db.fetch(_APPEND, *append_arguments(writes)))


def append_arguments(writes: Sequence[Write]) -> list[Any]:
    """What APPEND's parameters are."""
    rows = _rows(writes)
    heads = zip(*((w.stream, w.expected, len(w.events)) for w in writes), strict=True)
    return [*heads, *(zip(*rows, strict=True) if rows else ([],) * 7)]


def losers(writes: Sequence[Write], won: Sequence[Any]) -> set[str]:
    """The streams that did not get their events."""
    return {w.stream for w in writes} - {record["stream"] for record in won}


def _rows(writes: Sequence[Write]) -> list[tuple[str, int, UUID, str, bytes, bytes, UUID]]:
    rows = [
        (w.stream, version, event_id(w.command, w.stream, version), *encode(event), w.meta, w.job_id)
        for w in writes
        for version, event in enumerate(w.events, w.expected + 1)
    ]
    places = [place for w in writes for place in w.places or [0] * len(w.events)]
    return [row for _, row in sorted(zip(places, rows, strict=True), key=itemgetter(0))]


COLUMNS = "xid, position, stream, version, id, type, data, meta, job_id, recorded_at"

_READ = f"SELECT {COLUMNS} FROM events WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3"  # noqa: S608

# Positions are handed out in another order than commits; whatever is still open lies above this horizon.
HORIZON = "xid < pg_snapshot_xmin(pg_current_snapshot())"

_TAIL = f"""
SELECT {COLUMNS} FROM events
WHERE (xid, position) > ($1::xid8, $2) AND {HORIZON}
ORDER BY xid, position LIMIT $3
"""  # noqa: S608

_OURS = "SELECT version, id FROM events WHERE stream = $1"


async def read(db: Connection, stream: str, after: int = 0, limit: int | None = None) -> list[RecordedEvent]:
    """A stream's events later than version `after`, oldest first."""
    return [RecordedEvent(**record) for record in await db.fetch(_READ, stream, after, limit)]


async def tail(db: Connection, xid: int, position: int, limit: int) -> list[RecordedEvent]:
    """The log's events after a place, none stepped over: only what lies below the transaction horizon."""
    return [RecordedEvent(**record) for record in await db.fetch(_TAIL, xid, position, limit)]


async def has_recorded(db: Connection, stream: str, command: UUID) -> bool:
    """Whether the command's events are in the stream: tells a COMMIT whose answer was lost from one that failed."""
    rows = await db.fetch(_OURS, stream)
    return any(row["id"] == event_id(command, stream, row["version"]) for row in rows)
