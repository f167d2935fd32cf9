"""The work queues that RabbitMQ has, or will have: an operational table, which bounds their number.

The api adds a name before the first job that names it. The scheduler adds what is missing, and removes idle queues.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from duebook_common.store.database import Connection

_REGISTRATION = 7241  # an advisory lock: of two clients only one may take the last free name

_LOCK = "SELECT pg_advisory_xact_lock($1)"
_KNOWN = "SELECT name FROM queues UNION SELECT unnest(queues) FROM executors"
_ADD = """
INSERT INTO queues (name, used_at) SELECT name, clock_timestamp() FROM unnest($1::text[]) AS name ORDER BY name
ON CONFLICT DO NOTHING
"""


async def known_queues(db: Connection) -> set[str]:
    """The queues that are counted. Those that an executor serves are always known, so that clients cannot shut them."""
    return {record["name"] for record in await db.fetch(_KNOWN)}


async def register_queues(db: Connection, names: Iterable[str], limit: int) -> set[str]:
    """Add queues in this transaction, all or none; returns the names that are known then.

    Nothing is added if there would be more than `limit` queues.
    """
    await db.execute(_LOCK, _REGISTRATION)
    known = await known_queues(db)
    new = set(names) - known
    if new and len(known) + len(new) <= limit:
        await db.execute(_ADD, sorted(new))
        known |= new
    return known


# A queue is in use while a job may still name it by itself, or a run of it has not come to rest.
_KEEP = """
INSERT INTO queues (name, used_at) SELECT name, clock_timestamp() FROM unnest($1::text[]) AS name ORDER BY name
ON CONFLICT (name) DO UPDATE SET used_at = excluded.used_at WHERE queues.used_at < excluded.used_at - $2::interval
"""
_IDLE = """
SELECT name, used_at FROM queues
WHERE used_at < clock_timestamp() - $1::interval AND name <> ALL($2::text[]) ORDER BY used_at LIMIT $3
"""
_CLAIM = "UPDATE queues SET used_at = clock_timestamp() WHERE name = $1 AND used_at = $2 RETURNING used_at"
_FORGET = "DELETE FROM queues WHERE name = $1 AND used_at = $2"


async def keep_queues(db: Connection, names: Iterable[str], unless_within: timedelta) -> None:
    """Note that these queues are in use, unless that was noted within the last `unless_within`."""
    await db.execute(_KEEP, sorted(names), unless_within)


async def idle_queues(db: Connection, idle: timedelta, in_use: Iterable[str], limit: int) -> list[tuple[str, datetime]]:
    """The queues that have not been in use for so long, the longest idle first, and when they were in use last."""
    return [(record["name"], record["used_at"]) for record in await db.fetch(_IDLE, idle, [*in_use], limit)]


async def claim_queue(db: Connection, name: str, used_at: datetime) -> datetime | None:
    """Let this process alone remove the queue; None if another process was faster, or the queue was used again.

    If the process dies meanwhile, the queue is found again once it has been idle for as long again.
    """
    claimed: datetime | None = await db.fetchval(_CLAIM, name, used_at)
    return claimed


async def forget_queue(db: Connection, name: str, claimed_at: datetime) -> None:
    """Forget a queue that was removed, unless it was used since it was claimed."""
    await db.execute(_FORGET, name, claimed_at)
