"""Moves of `wake_at` in the lines of rates, that no event records (see `wakeups`)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from duebook_common.store.database import Connection
from duebook_common.store.predicates import MAY_START

# The first of each line, and two spares; admission then sets the times of those behind them.
_WAKE_BY_RATE = f"""
WITH first AS MATERIALIZED (
    SELECT run_id FROM runs WHERE run_id = ANY(ARRAY(
        SELECT line.run_id FROM unnest($1::text[]) AS freed (rate_key), LATERAL (
            SELECT run_id FROM runs
            WHERE runs.rate_key = freed.rate_key AND rate_key IS NOT NULL AND status = 'waiting' AND {MAY_START}
            ORDER BY (trigger = 'backfill'), created_at, nominal_at, run_id LIMIT 3
        ) AS line
    ))
    ORDER BY run_id FOR UPDATE SKIP LOCKED
)
UPDATE runs SET wake_at = clock_timestamp() FROM first WHERE runs.run_id = first.run_id AND runs.status = 'waiting'
"""  # noqa: S608


async def wake_lines(db: Connection, keys: Collection[str]) -> None:
    """Look now at the first runs in the lines of these keys: those before them have left, or may not start.

    The scheduler's waker calls it for keys whose first runs are of a paused queue, its admission where it has sent all
    runs whose times it knew. No event, because only admission decides whether a waiting run is sent.
    """
    if keys:
        await db.execute(_WAKE_BY_RATE, list(keys))


# The runs of a line that are due before their turn: each was due once, when it was created or woken.
_PARK = """
WITH early AS MATERIALIZED (
    SELECT run_id FROM runs WHERE run_id = ANY(ARRAY(
        SELECT run_id FROM runs
        WHERE rate_key = $1 AND rate_key IS NOT NULL AND status = 'waiting' AND wake_at <= $2
          AND reason IS DISTINCT FROM 'overlap' AND concurrency_key IS NULL AND NOT held AND run_id <> ALL($3::uuid[])
        LIMIT $4
    ))
    ORDER BY run_id FOR UPDATE SKIP LOCKED
)
UPDATE runs SET wake_at = least(
    $2::timestamptz + interval '10 minutes' * (0.5 + 0.5 * random()),
    CASE WHEN attempt = 0 AND start_by IS NOT NULL THEN greatest(start_by, $2) END
)
FROM early WHERE runs.run_id = early.run_id AND runs.status = 'waiting'
"""


async def park_line(db: Connection, key: str, now: datetime, first: Sequence[UUID], limit: int) -> None:
    """Look later at the due runs in the line of a key that are not among its `first`: their turn is far off.

    The scheduler's admission calls it where a line is long, so that its runs do not keep others from being looked at.
    No event, because they wait as before. Admission moves those up that become the first.
    """
    await db.execute(_PARK, key, now, first, limit)
