"""Reads of the statistics: a range of time in steps, the busiest keys each by itself and the others together."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from duebook_common.domain.statistics import EPOCH, Dimension, Rollup
from duebook_common.store.database import Connection

# The counts of runs; those of failed attempts come after them.
_BUSIEST = """
SELECT key FROM statistics, unnest(counts[1:5]) AS n
WHERE step = $1 AND dimension = $2 AND at >= $3 AND at < $4 AND key <> ''
GROUP BY key ORDER BY sum(n) DESC, key LIMIT $5
"""
_STEPS = """
SELECT bin, key, measure, array_agg(slot) AS slots, array_agg(number) AS numbers FROM (
    SELECT date_bin($6, at, $7) AS bin, CASE WHEN key = ANY($5::text[]) THEN key ELSE '' END AS key,
           measure, slot, sum(n)::bigint AS number
    FROM statistics
    CROSS JOIN LATERAL (
        SELECT 0, slot, n FROM unnest(counts) WITH ORDINALITY AS c (n, slot)
        UNION ALL SELECT 1, slot, n FROM unnest(lateness) WITH ORDINALITY AS l (n, slot)
        UNION ALL SELECT 2, slot, n FROM unnest(duration) WITH ORDINALITY AS d (n, slot)
    ) AS measures (measure, slot, n)
    WHERE step = $1 AND dimension = $2 AND at >= $3 AND at < $4 AND n > 0 AND ($8 OR key = ANY($5::text[]))
    GROUP BY 1, 2, 3, 4
) AS slots
GROUP BY bin, key, measure ORDER BY bin, key
"""


class StatisticsRange(NamedTuple):
    """Which rows are read, those of `base`, and the steps into which they are added up."""

    start: datetime
    end: datetime
    base: timedelta
    step: timedelta
    dimension: Dimension


async def busiest_keys(db: Connection, wanted: StatisticsRange, most: int) -> list[str]:
    """The keys with the most runs in the range, the busiest first."""
    records = await db.fetch(_BUSIEST, wanted.base, wanted.dimension, wanted.start, wanted.end, most)
    return [record["key"] for record in records]


async def read_statistics(
    db: Connection, wanted: StatisticsRange, keys: Sequence[str], *, others: bool = True
) -> dict[tuple[datetime, str], Rollup]:
    """What each step has of each of these keys, and with `others` of all other keys together, as OTHER; in order."""
    row = (wanted.base, wanted.dimension, wanted.start, wanted.end)
    records: Any = await db.fetch(_STEPS, *row, list(keys), wanted.step, EPOCH, others)
    rollups: dict[tuple[datetime, str], Rollup] = {}
    for record in records:
        rollup = rollups.setdefault((record["bin"], record["key"]), Rollup())
        for slot, number in zip(record["slots"], record["numbers"], strict=True):
            rollup.add(record["measure"], slot - 1, number)
    return rollups
