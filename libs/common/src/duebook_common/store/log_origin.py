"""Whether the log belongs to this PostgreSQL cluster.

Transaction ids order the log, and a new cluster counts them anew. So in a database that was restored from a dump, or
copied logically, events and checkpoints may lie ahead of every transaction: subscribers would wait for them in vain,
and pass over new events. A logical copy also leaves the sequence of positions at its start. `duebook rebase-log`
mends both.
"""

from collections.abc import Iterable

from duebook_common.store.database import Connection, Pool, acquire

_AHEAD = """
SELECT part FROM (
    SELECT 'events' AS part, (SELECT xid FROM events ORDER BY xid DESC, position DESC LIMIT 1) AS xid
    UNION ALL
    SELECT 'checkpoint ' || subscriber, xid FROM checkpoints
) AS parts
WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())
UNION ALL
SELECT 'positions' FROM events_position_seq
WHERE last_value < (SELECT position FROM events ORDER BY xid DESC, position DESC LIMIT 1)
ORDER BY part DESC
"""
REMEDY = "the database was restored from another cluster; stop the services and run: duebook rebase-log"


class LogAhead(Exception):
    """The log, or the checkpoint of a subscriber, lies ahead of the cluster's transactions."""

    def __init__(self, parts: Iterable[str]) -> None:
        super().__init__(f"ahead of the log: {', '.join(parts)}; {REMEDY}")


async def parts_ahead(db: Connection) -> list[str]:
    """What lies ahead of every transaction: `events`, or `checkpoint` and its subscriber. Two index probes.

    `positions` if that of the newest event lies ahead of their sequence.
    """
    return [record["part"] for record in await db.fetch(_AHEAD)]


async def check_log(pool: Pool) -> None:
    """Raises LogAhead. A service is not ready then."""
    async with acquire(pool) as db:
        if parts := await parts_ahead(db):
            raise LogAhead(parts)


async def check_positions(pool: Pool) -> None:
    """Raises LogAhead if new events would get positions that events have already. A service does not start then."""
    async with acquire(pool) as db:
        if "positions" in await parts_ahead(db):
            raise LogAhead(["positions"])
