"""Subscribers: who has dealt with the log up to where. One at a time has the turn, whoever crashes gives it up."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

from duebook_common.store.database import Connection

_SUBSCRIBERS = 7239

_TURN = "SELECT pg_try_advisory_xact_lock($1, $2)"
_READ = "SELECT xid, position FROM checkpoints WHERE subscriber = $1"
_MOVE = """
INSERT INTO checkpoints (subscriber, xid, position) VALUES ($1, $2, $3)
ON CONFLICT (subscriber) DO UPDATE SET xid = excluded.xid, position = excluded.position
WHERE (checkpoints.xid, checkpoints.position) = ($4, $5)
"""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place in the log: everything at or before it has been dealt with."""

    xid: int
    position: int


async def claim(db: Connection, subscriber: str) -> Checkpoint | None:
    """The subscriber's place, with the turn until the transaction ends; None while another has it.

    The lock takes no transaction id, so holding it over a publish hides no event from any reader.
    """
    if not await db.fetchval(_TURN, _SUBSCRIBERS, crc32(subscriber.encode()) & 0x7FFFFFFF):
        return None
    record = await db.fetchrow(_READ, subscriber)
    return Checkpoint(record["xid"], record["position"]) if record else Checkpoint(0, 0)


async def move_checkpoint(db: Connection, subscriber: str, seen: Checkpoint, record: Any) -> None:
    """Put the checkpoint behind `record`, if it still stands where this subscriber saw it."""
    await db.execute(_MOVE, subscriber, record["xid"], record["position"], seen.xid, seen.position)
