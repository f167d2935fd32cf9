"""Reading the log by a filter: one read looks at so many events only, and says up to which; the next goes on there."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from duebook_common.store.byte_bounds import PAGE_BYTES, bounded, size_of
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import COLUMNS, HORIZON, RecordedEvent, page_of_events

SCANNED = 20_000  # events

_AFTER = f"SELECT {{}} FROM events WHERE (xid, position) > ($1::xid8, $2) AND {HORIZON}"  # noqa: S608
_ORDER = "xid, position"
_MATCHES = """
($6::text[] IS NULL OR type = ANY($6)) AND ($7::uuid IS NULL OR job_id = $7)
AND ($8::text IS NULL OR meta ->> 'actor' = $8)
"""
_ROWS = f"{_AFTER.format('*')} ORDER BY {_ORDER} LIMIT $5"
# The few events of a run are found by their streams, so the whole log is searched at once.
_ROWS_OF_STREAMS = f"{_AFTER.format('*')} AND stream = ANY($9::text[]) AND $5::int IS NOT NULL"
_TEXT_COLUMNS = COLUMNS.replace(" data,", " data::text AS data,")


def _page(rows: str) -> str:
    listed = f"SELECT * FROM ({rows}) AS scanned WHERE {_MATCHES} ORDER BY {_ORDER} LIMIT $3::int + 1"  # noqa: S608
    return bounded(listed, size_of("data"), _ORDER, _TEXT_COLUMNS, "$4::bigint")


_PAGE, _PAGE_OF_STREAMS = _page(_ROWS), _page(_ROWS_OF_STREAMS)
_LAST_SCANNED = f"{_AFTER.format('xid, position, id')} ORDER BY {_ORDER} OFFSET $3 LIMIT 1"
_NEWEST = f"{_AFTER.format('xid, position, id')} ORDER BY xid DESC, position DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; None and an empty set mean all. The events of a run include those of the mails about it."""

    types: frozenset[str] = frozenset()
    job_id: UUID | None = None
    run_id: UUID | None = None
    actor: str | None = None

    @property
    def streams(self) -> list[str] | None:
        return None if self.run_id is None else [f"run-{self.run_id}", f"mail-{self.run_id}"]

    def matches(self, event: RecordedEvent) -> bool:
        return (
            (not self.types or event.type in self.types)
            and (self.job_id is None or event.job_id == self.job_id)
            and (self.streams is None or event.stream in self.streams)
            and (self.actor is None or event.meta.get("actor") == self.actor)
        )


class ScanEnd(NamedTuple):
    """The last event that a scan looked at."""

    xid: int
    position: int
    id: UUID


class ScannedPage(NamedTuple):
    """Events that match, whether there is more to read after `end`, and `end`: None if there was nothing to look at."""

    events: list[RecordedEvent]
    more: bool
    end: ScanEnd | None


async def scan(
    db: Connection, after: tuple[int, int], wanted: EventFilter, limit: int, most_bytes: int = PAGE_BYTES
) -> ScannedPage:
    """The next matching events after a position, of the next `SCANNED` events. Needs a snapshot."""
    arguments: list[Any] = [*after, limit, most_bytes, SCANNED, sorted(wanted.types) or None, wanted.job_id]
    arguments.append(wanted.actor)
    if wanted.streams is None:
        records = await db.fetch(_PAGE, *arguments)
    else:
        records = await db.fetch(_PAGE_OF_STREAMS, *arguments, wanted.streams)
    events, more = page_of_events(records, limit)
    if more:
        return ScannedPage(events, True, _end_of(events))
    last = None if wanted.streams else await db.fetchrow(_LAST_SCANNED, *after, SCANNED - 1)
    end = last or await db.fetchrow(_NEWEST, *after)
    return ScannedPage(events, last is not None, None if end is None else ScanEnd(*end))


def _end_of(events: Iterable[RecordedEvent]) -> ScanEnd:
    *_, last = events
    return ScanEnd(last.xid, last.position, last.id)
