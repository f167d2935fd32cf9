"""Positions of events: opaque to clients, and checked against the log before anybody goes on from one.

A database that was restored, to an earlier state or into another cluster, hands out the same numbers to other events.
So a position bears a mark of its event: whoever comes with one whose event is not there would miss something unseen.
"""

import re
from typing import Any, NamedTuple
from uuid import UUID

from duebook_api.http.problems import Fault, Problem, invalid
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import HORIZON, RecordedEvent

BEGINNING, LATEST = (0, 0), "latest"

_TEXT = re.compile(r"(\d{1,19})-(\d{1,18})-([0-9a-f]{8})", re.ASCII)
_ID = "SELECT id FROM events WHERE xid = $1::xid8 AND position = $2"
_LATEST = f"SELECT xid, position, id FROM events WHERE {HORIZON} ORDER BY xid DESC, position DESC LIMIT 1"  # noqa: S608
_GONE = (
    "this log has no event at that position: its database was restored since. Go on from a position that you have kept "
    "of an event before it, or without one, from the beginning"
)


class Start(NamedTuple):
    """Where a reader begins: after this place, which has this name unless it is the beginning."""

    xid: int
    position: int
    name: str | None


def name(event: RecordedEvent) -> str:
    """What clients know an event's place by."""
    return _name(event.xid, event.position, event.id)


def _name(xid: int, position: int, id_: UUID) -> str:
    return f"{xid}-{position}-{id_.hex[:8]}"


async def start(db: Connection, after: str | None, where: str = "/after") -> Start:
    """The place that a client names, which may be `latest`; raises Problem 422, or 410 where the log has it no more."""
    if after is None:
        return Start(*BEGINNING, None)
    if after == LATEST:
        last: Any = await db.fetchrow(_LATEST)
        return Start(*BEGINNING, None) if last is None else Start(last["xid"], last["position"], _name(*last))
    xid, position = parse(after, where)
    id_ = await db.fetchval(_ID, xid, position)
    if id_ is None or _name(xid, position, id_) != after:
        raise Problem(410, "position_gone", _GONE)
    return Start(xid, position, after)


def parse(text: str, where: str = "/after") -> tuple[int, int]:
    """Transaction id and sequence number of a position; raises Problem 422 for what never was one."""
    found = _TEXT.fullmatch(text)
    if found is None or int(found[1]) >= 2**63:
        raise invalid(Fault(where, f"this is no event's position; take one from an event, or say {LATEST}"))
    return int(found[1]), int(found[2])
