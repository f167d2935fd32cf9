"""How far the readers of the log are: what the relay has yet to do, and how old the horizon is that they read up to."""

from duebook_common.store.database import Connection
from duebook_common.store.eventstore import HORIZON

MOST_LAG = 10_000

_LAG = f"""
SELECT count(*) FROM (
    SELECT FROM events WHERE (xid, position) > (
        coalesce((SELECT xid FROM checkpoints WHERE subscriber = $1), '0'::xid8),
        coalesce((SELECT position FROM checkpoints WHERE subscriber = $1), 0)
    ) AND {HORIZON} LIMIT {MOST_LAG}
) AS behind
"""  # noqa: S608
# A transaction that has written holds the horizon until it ends. A user who is no superuser sees those of his own role.
_HORIZON_AGE = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)::float8 FROM (
    SELECT xact_start AS since FROM pg_stat_activity WHERE backend_xid IS NOT NULL
    UNION ALL
    SELECT prepared FROM pg_prepared_xacts
) AS writing
"""


async def lag(db: Connection, subscriber: str) -> int:
    """How many events the subscriber has yet to process; MOST_LAG also for more."""
    count: int = await db.fetchval(_LAG, subscriber)
    return count


async def horizon_age(db: Connection) -> float:
    """For how many seconds the oldest transaction that writes holds back the readers of the log; 0 without one."""
    age: float = await db.fetchval(_HORIZON_AGE)
    return max(age, 0.0)
