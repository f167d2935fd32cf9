"""When dead letters have died, by their fingerprint, as lists of groups draw it."""

from collections.abc import Sequence
from datetime import datetime

from duebook_api.state.dependencies import Dependencies
from duebook_common.store.database import acquire

# What died before the range counts in its first step, and what died after it in the last one. The bounds are times, as
# to turn each time into a number takes twice as long.
_TIMES = """
SELECT fingerprint, width_bucket(finished_at, $2::timestamptz[]) AS step, count(*) AS deaths
FROM runs WHERE status = 'dead_lettered' AND fingerprint = ANY($1::text[]) GROUP BY 1, 2
"""


async def times_of_death(
    deps: Dependencies, fingerprints: Sequence[str], start: datetime, end: datetime, steps: int
) -> dict[str, list[int]]:
    """How many of those that rest now have died in each of the equal steps of [start, end), by fingerprint."""
    counts = {fingerprint: [0] * steps for fingerprint in fingerprints}
    if not fingerprints or start >= end:
        return counts
    bounds = [start + (end - start) / steps * step for step in range(1, steps)]
    async with acquire(deps.pool) as db:
        for row in await db.fetch(_TIMES, list(fingerprints), bounds):
            counts[row["fingerprint"]][row["step"]] = row["deaths"]
    return counts
