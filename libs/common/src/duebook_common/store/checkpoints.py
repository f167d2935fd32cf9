"""Checkpoints: how far each subscriber has processed the log. A lock lets one process at a time act as a subscriber."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

from duebook_common.store.database import Connection
from duebook_common.store.eventstore import HORIZON
from duebook_common.store.log_origin import LogAhead

_SUBSCRIBERS = 7239

VERIFICATION = "verify"  # not a subscriber: up to where the log was verified
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1, $2)"
_READ = """
SELECT xid, position, xid >= pg_snapshot_xmax(pg_current_snapshot()) AS is_ahead FROM checkpoints WHERE subscriber = $1
"""
# One statement, for subscribers at rest. A checkpoint that lies ahead of the log is for `claim` to refuse. Ordered, so
# that it is one probe of the feed's index: EXISTS would scan the whole log, because a third of it may be new for all
# that the planner knows.
HAS_NEW_EVENTS = f"""
SELECT seen.xid >= pg_snapshot_xmax(pg_current_snapshot()) OR (
    SELECT true FROM events WHERE (xid, position) > (seen.xid, seen.position) AND {HORIZON}
    ORDER BY xid, position LIMIT 1
) IS NOT NULL
FROM (SELECT '0'::xid8 AS xid, 0::bigint AS position WHERE NOT EXISTS (SELECT FROM checkpoints WHERE subscriber = $1)
      UNION ALL SELECT xid, position FROM checkpoints WHERE subscriber = $1) AS seen
"""  # noqa: S608
_MOVE = """
INSERT INTO checkpoints (subscriber, xid, position) VALUES ($1, $2, $3)
ON CONFLICT (subscriber) DO UPDATE SET xid = excluded.xid, position = excluded.position
WHERE (checkpoints.xid, checkpoints.position) = ($4, $5)
"""
_PUT = """
INSERT INTO checkpoints (subscriber, xid, position, line) VALUES ($1, $2, $3, $4)
ON CONFLICT (subscriber) DO UPDATE SET xid = excluded.xid, position = excluded.position, line = excluded.line
WHERE (checkpoints.xid, checkpoints.position) <= (excluded.xid, excluded.position)
"""
_END = f"SELECT xid, position FROM events WHERE {HORIZON} ORDER BY xid DESC, position DESC LIMIT 1"  # noqa: S608
_FORGET = "DELETE FROM checkpoints WHERE subscriber = $1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A position in the log: the subscriber has processed every event up to and including it."""

    xid: int
    position: int


async def claim(db: Connection, subscriber: str) -> Checkpoint | None:
    """Lock the subscriber until the transaction ends and return its checkpoint; None if another process has the lock.

    Raises LogAhead if the checkpoint lies ahead of the log, where the subscriber would pass over new events.

    An advisory lock needs no transaction id, so a transaction that waits for RabbitMQ holds back no other reader.
    """
    if not await db.fetchval(_TRY_LOCK, _SUBSCRIBERS, _number(subscriber)):
        return None
    record = await db.fetchrow(_READ, subscriber)
    if record and record["is_ahead"]:
        raise LogAhead([f"checkpoint {subscriber}"])
    return Checkpoint(record["xid"], record["position"]) if record else Checkpoint(0, 0)


async def has_new_events(db: Connection, subscriber: str) -> bool:
    """Whether the log has events for the subscriber, or its checkpoint lies ahead, which `claim` tells."""
    return bool(await db.fetchval(HAS_NEW_EVENTS, subscriber))


async def end_of_log(db: Connection) -> Checkpoint | None:
    """The last event before which none can appear any more; None without an event."""
    record = await db.fetchrow(_END)
    return Checkpoint(record["xid"], record["position"]) if record else None


async def move_checkpoint(db: Connection, subscriber: str, seen: Checkpoint, record: Any) -> None:
    """Move the checkpoint from `seen` to the event `record`; changes nothing if it is no longer `seen`."""
    await db.execute(_MOVE, subscriber, record["xid"], record["position"], seen.xid, seen.position)


async def put_checkpoint(db: Connection, subscriber: str, checkpoint: Checkpoint, line: str | None = None) -> None:
    """Move the checkpoint forwards; changes nothing if it is further already. `line` is the hash that signs it."""
    await db.execute(_PUT, subscriber, checkpoint.xid, checkpoint.position, line)


async def wait_for_claim(db: Connection, subscriber: str) -> None:
    """Like `claim`, but waits for the process that has the lock."""
    await db.execute("SELECT pg_advisory_xact_lock($1, $2)", _SUBSCRIBERS, _number(subscriber))


async def forget_checkpoint(db: Connection, subscriber: str) -> None:
    """Let the subscriber begin with the first event again."""
    await db.execute(_FORGET, subscriber)


def _number(subscriber: str) -> int:
    return crc32(subscriber.encode()) & 0x7FFFFFFF
