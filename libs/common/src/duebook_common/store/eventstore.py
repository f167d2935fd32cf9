"""The log: append to many streams in one statement, read one stream, read all streams in order without gaps.

A writer names the version that it expects each stream to have. The key of the table, stream and version, refuses the
second event of a version. A stream lies in the partition of the period in which it was opened. Streams get their events
in sorted order, so appends do not deadlock. An append must be the first write of its transaction, so that the order of
transaction ids is the order of events within each stream.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_common.domain.definition import Rate
from duebook_common.domain.ids import uuid5
from duebook_common.store.append_statements import APPEND, APPEND_ONE_EACH
from duebook_common.store.byte_bounds import PAGE_BYTES, bounded, size_of
from duebook_common.store.codec import Event, decode, encode
from duebook_common.store.database import Connection

# -infinity, as the driver reads it: the period of what is kept for ever.
PERMANENT = datetime.min  # noqa: DTZ901


@dataclass(frozen=True, slots=True)
class Write:
    """New events of one stream. The events' ids follow from `command`: the same command makes the same ids.

    `order` has a number for each event. It sorts the events of all writes of an append, if one decision made them.
    `queue`: nothing is appended while that queue is paused. `rate`: the write is the start of an attempt, and nothing
    is appended while the rate allows no further start. `job_id` is None for streams that belong to no job: those
    of queues and of the installation. `born` is the period of the stream; None where the writer does not know it, which
    takes a search of all periods, and for a new stream, which then gets the period that is open.
    """

    stream: str
    expected: int
    events: Sequence[Event]
    job_id: UUID | None
    command: UUID = field(default_factory=uuids.uuid7)
    meta: bytes = b"{}"
    order: Sequence[int] = ()
    queue: str | None = None
    rate: Rate | None = None
    born: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event of the log. `xid` and `position` together give its position in the whole log.

    `born` (UTC) is the period of its stream.
    """

    xid: int
    position: int
    stream: str
    version: int
    id: UUID
    type: str
    data: Any
    meta: Any
    job_id: UUID | None
    recorded_at: datetime
    born: datetime = PERMANENT

    @property
    def event(self) -> Event:
        return decode(self.type, self.data, self.job_id)


_APPEND, _APPEND_ONE_EACH = (
    f"{appending} SELECT stream, born FROM accepted"  # noqa: S608
    for appending in (APPEND, APPEND_ONE_EACH)
)


def event_id(command: UUID, stream: str, version: int) -> UUID:
    return uuid5(command, f"{stream}@{version}")


async def append(db: Connection, writes: Sequence[Write]) -> set[str]:
    """Append each write whose stream has the expected version; returns the streams that have another one.

    A write without events only checks the version. That it stays is for a lock of the caller's to see to.
    """
    return {write.stream for write in writes} - (await append_each(db, writes)).keys()


async def append_each(db: Connection, writes: Sequence[Write]) -> dict[str, datetime]:
    """The same; returns the streams that had the expected version, and the period (UTC) of each."""
    if not writes:
        return {}
    accepted = await db.fetch(_APPEND_ONE_EACH if one_each(writes) else _APPEND, *append_arguments(writes))
    return {record["stream"]: record["born"] for record in accepted}


def one_each(writes: Sequence[Write]) -> bool:
    """Whether no write has a second event: then APPEND_ONE_EACH does."""
    return all(len(write.events) < 2 for write in writes)


def next_each(writes: Sequence[Write]) -> bool:
    """Whether each write has one event for a stream that exists and whose period is known: APPEND_NEXT_EACH does.

    For a single write APPEND_NEXT does.
    """
    return all(len(write.events) == 1 and write.expected > 0 and write.born is not None for write in writes)


def append_arguments(writes: Sequence[Write]) -> list[Any]:
    """The arguments of APPEND: arrays of streams, versions, sizes, queues, periods; then one per column of events."""
    rows = _rows(writes)
    expected = zip(*((w.stream, w.expected, len(w.events), w.queue, w.born) for w in writes), strict=True)
    return [*expected, *(zip(*rows, strict=True) if rows else ([],) * 7)]


def next_arguments(write: Write) -> list[Any]:
    """The arguments of APPEND_NEXT: stream, version, queue, period; then one per column of the event."""
    [(stream, _, *event)] = _rows([write])
    return [stream, write.expected, write.queue, write.born, *event]


def start_arguments(writes: Sequence[Write]) -> list[Any]:
    """The arguments of APPEND_STARTS; each of the writes has a rate."""
    rates = [(w.stream, w.rate.key, w.rate.limit, w.rate.per) for w in writes if w.rate is not None]
    return [*append_arguments(writes), *zip(*rates, strict=True)]


def _rows(writes: Sequence[Write]) -> list[tuple[str, int, UUID, str, bytes, bytes, UUID | None]]:
    rows = [
        (
            w.stream,
            version,
            event_id(w.command, w.stream, version),
            *encode(event, at_is_final=w.rate is None),
            w.meta,
            w.job_id,
        )
        for w in writes
        for version, event in enumerate(w.events, w.expected + 1)
    ]
    order = [number for w in writes for number in w.order or [0] * len(w.events)]
    return [row for _, row in sorted(zip(order, rows, strict=True), key=itemgetter(0))]


COLUMNS = "xid, position, stream, version, id, type, data, meta, job_id, recorded_at, born"

_READ = f"SELECT {COLUMNS} FROM events WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3"  # noqa: S608

# Transactions commit in another order than they get their positions. All open ones lie above this horizon, so below it
# no event can appear any more.
HORIZON = "xid < pg_snapshot_xmin(pg_current_snapshot())"

# The data of a job's event without what a client may make large, for those who need the rest of all its definitions.
LIGHT_DATA = "data #- '{definition,payload}' #- '{definition,metadata}'"
_LIGHT = COLUMNS.replace(" data,", f" {LIGHT_DATA} AS data,")
_READ_LIGHT = _READ.replace(COLUMNS, _LIGHT)
_READ_LIGHT_OF = f"SELECT {_LIGHT} FROM events WHERE stream = ANY($1::text[]) ORDER BY stream, version"  # noqa: S608

# `$3` events and one more, if there is one, whose data fits into the bytes of a page but for the last.
_LISTED = "SELECT * FROM events WHERE {} ORDER BY {} LIMIT $3::int + 1"
_TEXT_COLUMNS = COLUMNS.replace(" data,", " {}::text AS data,")
_AFTER, _LOG_ORDER = f"(xid, position) > ($1::xid8, $2) AND {HORIZON}", "xid, position"
_WITH_PAYLOAD, _WITHOUT_PAYLOAD = _TEXT_COLUMNS.format("data"), _TEXT_COLUMNS.format("(data - 'payload')")
_TAIL = bounded(_LISTED.format(_AFTER, _LOG_ORDER), size_of("data"), _LOG_ORDER, _WITH_PAYLOAD, "$4::bigint")
_OF_STREAM = _LISTED.format("stream = $1 AND version > $2", "version")
_PAGE_OF_STREAM = bounded(_OF_STREAM, size_of("data"), "version", _WITH_PAYLOAD)
_PAGE_WITHOUT_PAYLOAD = bounded(_OF_STREAM, size_of("(data - 'payload')"), "version", _WITHOUT_PAYLOAD)

_IDS = "SELECT stream, version, id FROM events WHERE stream = ANY($1::text[])"


async def read(db: Connection, stream: str, after: int = 0, limit: int | None = None) -> list[RecordedEvent]:
    """A stream's events after version `after`, oldest first; all of them without `limit`."""
    return [RecordedEvent(**record) for record in await db.fetch(_READ, stream, after, limit)]


async def read_light(db: Connection, stream: str) -> list[RecordedEvent]:
    """All events of a job's stream, oldest first, without the payload and metadata of its definitions."""
    return [RecordedEvent(**record) for record in await db.fetch(_READ_LIGHT, stream, 0, None)]


async def read_light_of(db: Connection, streams: Iterable[str]) -> list[RecordedEvent]:
    """The same of several jobs, stream after stream."""
    return [RecordedEvent(**record) for record in await db.fetch(_READ_LIGHT_OF, list(streams))]


class EventPage(NamedTuple):
    """Events that are only passed on, and whether more follow.

    Their data is JSON text: objects of a large payload take thirty times its memory.
    """

    events: list[RecordedEvent]
    more: bool


async def tail(db: Connection, xid: int, position: int, limit: int, most_bytes: int = PAGE_BYTES) -> EventPage:
    """The log's next events after a position, oldest first, as far as the transaction horizon: so none is missed."""
    return page_of_events(await db.fetch(_TAIL, xid, position, limit, most_bytes), limit)


async def read_page(db: Connection, stream: str, after: int, limit: int, *, with_payload: bool = True) -> EventPage:
    """A stream's next events after version `after`, oldest first; `payload` in their data only if it is wanted."""
    return page_of_events(
        await db.fetch(_PAGE_OF_STREAM if with_payload else _PAGE_WITHOUT_PAYLOAD, stream, after, limit), limit
    )


def page_of_events(records: Sequence[Any], limit: int) -> EventPage:
    """The page that rows of `bounded` hold, which was asked for one row more than `limit`."""
    found, shown = records[0]["found"] if records else 0, records[:limit]
    events = [RecordedEvent(**{name: value for name, value in each.items() if name != "found"}) for each in shown]
    return EventPage(events, found > len(events))


async def has_recorded(db: Connection, stream: str, command: UUID) -> bool:
    """Whether the stream has the command's events: then a COMMIT without an answer succeeded."""
    return bool(await recorded_commands(db, {stream: command}))


async def recorded_commands(db: Connection, commands: Mapping[str, UUID]) -> set[str]:
    """Those of the streams that have the events of their command."""
    rows = await db.fetch(_IDS, list(commands)) if commands else []
    return {
        row["stream"] for row in rows if row["id"] == event_id(commands[row["stream"]], row["stream"], row["version"])
    }
