"""Positions of events: opaque to clients, and checked against the log before a client resumes after one.

A database that was restored, to an earlier state or into another cluster, gives the same numbers to other events. So a
position carries a mark of its event, and a position whose event the log does not have is refused: the client would
miss events without a sign.
"""

import re
from typing import Any, NamedTuple
from uuid import UUID

from duebook_api.http.problems import Fault, Problem, invalid
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import HORIZON, RecordedEvent


class Position(NamedTuple):
    """The order of an event in the log: its transaction id, and its number in the sequence of all events."""

    xid: int
    number: int


class Start(NamedTuple):
    """The position after which a reader starts, and its text; the beginning of the log has no text."""

    position: Position
    text: str | None


LOG_START, LATEST = Position(0, 0), "latest"

_TEXT = re.compile(r"(\d{1,19})-(\d{1,18})-([0-9a-f]{8})", re.ASCII)
_ID = "SELECT id FROM events WHERE xid = $1::xid8 AND position = $2"
_LATEST = f"SELECT xid, position, id FROM events WHERE {HORIZON} ORDER BY xid DESC, position DESC LIMIT 1"  # noqa: S608
_ARCHIVED = """
SELECT last_xid AS xid, last_position AS position, period FROM archives WHERE last_xid IS NOT NULL
ORDER BY last_xid DESC, last_position DESC LIMIT 1
"""
_GONE = (
    "the log has no event at this position, because its database was restored since. Resume after an earlier position "
    "that you have kept, or without a position, from the beginning"
)
_LEFT = (
    "events after this position have left the database for archives, up to {}. Resume without a position, from the "
    "first event of which all later ones are there; `duebook archive restore` makes the others readable"
)


def position_of(event: RecordedEvent) -> Position:
    return Position(event.xid, event.position)


def text_of(event: RecordedEvent) -> str:
    """The position of the event as clients see it."""
    return _text(position_of(event), event.id)


def text_at(xid: int, number: int, event_id: UUID) -> str:
    """The position of the event that has these in its row."""
    return _text(Position(xid, number), event_id)


def _text(position: Position, event_id: UUID) -> str:
    return f"{position.xid}-{position.number}-{event_id.hex[:8]}"


async def resolve(db: Connection, text: str | None, pointer: str = "/after") -> Start:
    """Where to start for a position that a client sent, which may be `latest` or None, the beginning.

    That is behind all archived events, so that nothing is missing between two events that a reader gets. Raises Problem
    422 for a text that is no position, and 410 if the log does not have its event, or not all events after it.
    """
    if text == LATEST:
        return await _latest(db)
    row: Any = await db.fetchrow(_ARCHIVED)
    if text is None:
        return Start(LOG_START if row is None else Position(row["xid"], row["position"]), None)
    position = parse(text, pointer)
    if row is not None and position < (row["xid"], row["position"]):
        raise Problem(410, "archived", _LEFT.format(row["period"]))
    event_id = await db.fetchval(_ID, *position)
    if event_id is None or _text(position, event_id) != text:
        raise Problem(410, "position_gone", _GONE)
    return Start(position, text)


async def _latest(db: Connection) -> Start:
    row: Any = await db.fetchrow(_LATEST)
    if row is None:
        return Start(LOG_START, None)
    position = Position(row["xid"], row["position"])
    return Start(position, _text(position, row["id"]))


def parse(text: str, pointer: str = "/after") -> Position:
    """The position in the text; raises Problem 422 for any other text."""
    match = _TEXT.fullmatch(text)
    if match is None or int(match[1]) >= 2**63:
        raise invalid(Fault(pointer, f"this is not the position of an event; take one from an event, or send {LATEST}"))
    return Position(int(match[1]), int(match[2]))
