"""How many runs are due, active or dead-lettered, by queue and state: counted once for the overview and the queues."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

from duebook_api.state.changes import Changes
from duebook_api.state.kept_answer import KeptAnswer
from duebook_common.store.database import Clock, Pool, acquire

STATES = ("due", "dispatched", "waiting", "running", "retrying", "dead_lettered")
_AGE = 0.1  # seconds: what is made of a count serves for a second itself
# A run that is dispatched without a number has yet to be sent to its queue.
_RUNS = """
SELECT queue, CASE WHEN status = 'dispatched' AND dispatch = 0 THEN 'due' ELSE status END AS state, count(*) AS runs,
       min(due_at) FILTER (WHERE status IN ('waiting', 'dispatched') AND attempt = 0) AS oldest, NULL AS first_died
FROM runs WHERE wake_at IS NOT NULL AND status <> 'dead_lettered' GROUP BY 1, 2
UNION ALL
SELECT queue, 'dead_lettered', count(*), NULL, min(finished_at) FROM runs WHERE status = 'dead_lettered' GROUP BY queue
"""

# Steps from queue to queue along the index of due jobs, and reads only the due jobs of each.
_DUE_JOBS = """
WITH RECURSIVE queues AS (
    (SELECT queue FROM jobs WHERE wake_at IS NOT NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT j.queue FROM jobs j WHERE j.wake_at IS NOT NULL AND j.queue > q.queue ORDER BY j.queue LIMIT 1)
    FROM queues q WHERE q.queue IS NOT NULL
)
SELECT q.queue, 'due' AS state, sum(due.jobs)::bigint AS runs, min(due.oldest) AS oldest
FROM queues q
CROSS JOIN generate_series(0, 9) AS p (priority)
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs, min(j.wake_at) AS oldest FROM jobs j
    WHERE j.wake_at IS NOT NULL AND j.queue = q.queue AND j.priority = p.priority AND j.wake_at <= $1
) AS due
WHERE q.queue IS NOT NULL GROUP BY q.queue HAVING sum(due.jobs) > 0
"""


class RunCount(NamedTuple):
    """The runs of one queue in one state. Each job with a due occurrence that is not decided yet is one that is `due`.

    `oldest` is since when the oldest of them has been due if none was ever started, `first_died` of dead letters only.
    """

    queue: str
    state: str
    runs: int
    oldest: datetime | None = None
    first_died: datetime | None = None


Counts = tuple[RunCount, ...]


class RunCounts:
    """The last count. A count of many active runs serves for longer than a second, but not for a later end of the log.

    So a page that is loaded again because the log has grown shows what has come.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes, self._kept = changes, KeptAnswer[Counts](_AGE, changes.repeat_at)

    async def read(self, pool: Pool, clock: Clock) -> Counts:
        return await self._kept.read(partial(_read, pool, clock), self._changes.seen_to)


async def _read(pool: Pool, clock: Clock) -> Counts:
    async with acquire(pool) as db:
        rows = [*await db.fetch(_RUNS), *await db.fetch(_DUE_JOBS, clock.now())]
    return tuple(RunCount(*row) for row in rows)


def by_queue(counts: Iterable[RunCount]) -> dict[str, dict[str, int]]:
    """The counts of each queue, by state, the queues by name."""
    queues: dict[str, dict[str, int]] = {}
    for count in sorted(counts, key=lambda count: count.queue):
        queues.setdefault(count.queue, dict.fromkeys(STATES, 0))[count.state] += count.runs
    return queues


def in_all(queues: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The counts of all queues together, by state."""
    return {state: sum(each[state] for each in queues.values()) for state in STATES}
