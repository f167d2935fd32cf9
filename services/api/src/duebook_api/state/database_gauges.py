"""Gauges of the database: how the log and its readers are, and whether vacuum keeps up."""

from duebook_common.runtime.telemetry import FEED_HORIZON_AGE, LOG_AHEAD, OLDEST_XMIN_AGE, TABLE_ROWS
from duebook_common.store.database import Connection, Pool, acquire
from duebook_common.store.log_origin import parts_ahead
from duebook_common.store.log_progress import Horizon

# Vacuum keeps every row that a snapshot of this database may still see, and that a standby or a slot asks for.
_OLDEST_XMIN = """
SELECT coalesce(max(age), 0) FROM (
    SELECT age(backend_xmin) FROM pg_stat_activity WHERE datid IS NULL OR datname = current_database()
    UNION ALL
    SELECT age(xmin) FROM pg_replication_slots
    UNION ALL
    SELECT age(transaction) FROM pg_prepared_xacts WHERE database = current_database()
) AS held (age)
"""
# The partitions of a table count together, under its name.
_ROWS = """
SELECT root.relname, sum(n_live_tup) AS live, sum(n_dead_tup) AS dead FROM pg_stat_user_tables AS s
JOIN pg_class AS root ON root.oid = coalesce(pg_partition_root(relid), relid)
WHERE schemaname = current_schema() GROUP BY root.relname
"""


class DatabaseGauges:
    """Refreshes the gauges. `horizon` is shared with the page of the installation."""

    def __init__(self, pool: Pool, horizon: Horizon) -> None:
        self._pool, self._horizon = pool, horizon

    async def refresh(self) -> int:
        async with acquire(self._pool) as db:
            LOG_AHEAD.set(bool(await parts_ahead(db)))
            FEED_HORIZON_AGE.set(await self._horizon.age(db))
            OLDEST_XMIN_AGE.set(await db.fetchval(_OLDEST_XMIN))
            await _count_rows(db)
        return 0


async def _count_rows(db: Connection) -> None:
    for record in await db.fetch(_ROWS):
        for state in ("live", "dead"):
            TABLE_ROWS.labels(record["relname"], state).set(record[state])
