"""How far the readers of the log are: what the relay has yet to do, and how old the horizon is that they read up to."""

import time

from duebook_common.store.database import Connection
from duebook_common.store.eventstore import HORIZON

MOST_LAG = 10_000

LAG = f"""
SELECT count(*) FROM (
    SELECT FROM events WHERE (xid, position) > (
        coalesce((SELECT xid FROM checkpoints WHERE subscriber = $1), '0'::xid8),
        coalesce((SELECT position FROM checkpoints WHERE subscriber = $1), 0)
    ) AND {HORIZON} ORDER BY xid, position LIMIT {MOST_LAG}
) AS behind
"""  # noqa: S608
# A transaction that has written holds the horizon until it ends, whatever database of the cluster it is in. PostgreSQL
# shows since when it runs only to members of its role and of `pg_read_all_stats`.
_HORIZON = """
SELECT pg_snapshot_xmin(snapshot) AS oldest, pg_snapshot_xmax(snapshot) AS next, coalesce((
    SELECT extract(epoch FROM clock_timestamp() - min(since)) FROM (
        SELECT xact_start AS since FROM pg_stat_activity WHERE backend_xid IS NOT NULL
        UNION ALL
        SELECT prepared FROM pg_prepared_xacts
    ) AS writing
), 0)::float8 AS shown FROM pg_current_snapshot() AS snapshot
"""


class Horizon:
    """For how long the oldest transaction that writes has held back the readers of the log.

    PostgreSQL hides from our role since when others' transactions run: there only a horizon that stands still is seen.
    """

    def __init__(self) -> None:
        self._oldest: int | None = None
        self._since = 0.0

    async def age(self, db: Connection) -> float:
        """Its age in seconds, 0 if nothing is held back. What is hidden counts since it was first noticed here."""
        record = await db.fetchrow(_HORIZON)
        assert record is not None
        shown: float = record["shown"]
        return max(shown, self.observe(record["oldest"], record["next"], time.monotonic()), 0.0)

    def observe(self, oldest: int, following: int, now: float) -> float:
        """For how many seconds `oldest`, an open transaction, has been the oldest although later ones have ended.

        `following` is the id after the last transaction that has ended; `now` is in seconds of the monotonic clock.
        """
        held = oldest if oldest < following else None
        if held is None or held != self._oldest:
            self._oldest, self._since = held, now
        return now - self._since


async def lag(db: Connection, subscriber: str) -> int:
    """How many events the subscriber has yet to process; MOST_LAG also for more."""
    count: int = await db.fetchval(LAG, subscriber)
    return count
