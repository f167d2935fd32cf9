"""The newest events of the log that match a filter, newest first, without what a client may make large."""

from dataclasses import dataclass
from typing import Any

from duebook_common.store.database import Connection
from duebook_common.store.event_scan import SCANNED, EventFilter
from duebook_common.store.eventstore import HORIZON

END = (2**63 - 1, 2**63 - 1)  # after every event

_BEFORE = f"SELECT {{}} FROM events WHERE (xid, position) < ($1::xid8, $2) AND {HORIZON}"  # noqa: S608
_ORDER = "ORDER BY xid DESC, position DESC"
_COLUMNS = "xid, position, id, stream, version, type, job_id, meta, recorded_at, born"
_ROWS = f"{_BEFORE.format(_COLUMNS)} {_ORDER} LIMIT $4"
# The few events of a run are found by their streams, so the whole log is searched at once.
_ROWS_OF_STREAMS = f"{_BEFORE.format(_COLUMNS)} AND stream = ANY($8::text[]) AND $4::int IS NOT NULL"
_MATCHES = """
($5::text[] IS NULL OR type = ANY($5)) AND ($6::uuid IS NULL OR job_id = $6)
AND ($7::text IS NULL OR meta ->> 'actor' = $7)
"""
_LIGHT = "data - 'payload' - 'result' #- '{definition,payload}' #- '{definition,metadata}'"
_LAST_SCANNED = f"{_BEFORE.format('xid, position, id')} {_ORDER} OFFSET $3 LIMIT 1"


def _page(rows: str) -> str:
    # The data of an event is read for those that match only.
    return f"""
    SELECT found.*,
           (SELECT {_LIGHT} FROM events AS e
            WHERE e.stream = found.stream AND e.version = found.version AND e.born = found.born) AS data
    FROM (SELECT * FROM ({rows}) AS scanned WHERE {_MATCHES} {_ORDER} LIMIT $3::int + 1) AS found
    {_ORDER}
    """  # noqa: S608


_PAGE, _PAGE_OF_STREAMS = _page(_ROWS), _page(_ROWS_OF_STREAMS)


@dataclass(frozen=True, slots=True)
class NewestEvents:
    """`rows` are the events; `older` is the row after which the search goes on, None at the beginning of the log."""

    rows: list[Any]
    older: Any


async def newest_events(
    db: Connection, before: tuple[int, int], wanted: EventFilter, limit: int, scanned: int = SCANNED
) -> NewestEvents:
    """The newest matching events of the last `scanned` ones before a position. Needs a snapshot."""
    arguments = [*before, limit, scanned, sorted(wanted.types) or None, wanted.job_id, wanted.actor]
    if wanted.streams is None:
        rows: list[Any] = await db.fetch(_PAGE, *arguments)
    else:
        rows = await db.fetch(_PAGE_OF_STREAMS, *arguments, wanted.streams)
    if len(rows) > limit:
        return NewestEvents(rows[:limit], rows[limit - 1])
    older = None if wanted.streams else await db.fetchrow(_LAST_SCANNED, *before, scanned - 1)
    return NewestEvents(rows, older)
