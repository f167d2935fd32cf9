"""The starts that rates count: one row per start, numbered for each key in the order of the starts.

A row is written in the statement that records the start (`projections.append_and_start_runs`), under the lock of its
key, at the time that the log shows. Only the starts of the last day count, and of these the last 100,000 of a key.
"""

from duebook_common.store.database import Connection, rows_changed

_MOST_OF_KEY = 100_000  # the highest limit of a rate

# CTEs that follow APPEND_STARTS: number the accepted starts, and delete those that no limit reaches any more.
COUNT_STARTS = f"""counted AS (
    INSERT INTO rate_starts (rate_key, number, started_at)
    SELECT rate_key, last_number + row_number() OVER (PARTITION BY rate_key ORDER BY recorded_at, stream), recorded_at
    FROM rated JOIN accepted USING (stream)
), forgotten AS (
    DELETE FROM rate_starts USING (SELECT DISTINCT rate_key, last_number FROM rated) AS keys
    WHERE rate_starts.rate_key = keys.rate_key AND rate_starts.number <= keys.last_number - {_MOST_OF_KEY}
)"""  # noqa: S608

# A start in the future was recorded before the database's clock was set back: it would block its key until then.
_MEND = """
UPDATE rate_starts SET started_at = clock_timestamp() WHERE started_at > clock_timestamp() + interval '1 second'
"""
_PRUNE = """
WITH old AS MATERIALIZED (
    SELECT rate_key, number FROM rate_starts WHERE started_at < clock_timestamp() - interval '25 hours'
    ORDER BY started_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
DELETE FROM rate_starts USING old WHERE rate_starts.rate_key = old.rate_key AND rate_starts.number = old.number
"""


async def prune_starts(db: Connection, limit: int) -> int:
    """Delete the oldest starts that no rate counts any more; returns how many. Mends what a jump of the clock left."""
    await db.execute(_MEND)
    return rows_changed(await db.execute(_PRUNE, limit))
