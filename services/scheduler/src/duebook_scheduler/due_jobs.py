"""Finding the jobs that are due, or will be soon, lane by lane."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from duebook_common.store.database import Connection
from duebook_scheduler.looks import Lane

# The lanes of a queue share its capacity: higher priorities take it first. Queues take turns, so that the backlog of
# one does not delay the first dispatches of the others.
# No dead row before the first of a lane is stepped over again: the look at the lanes has done so.
# Arrays come as subselects: if PostgreSQL knew how long they are while it plans, it would plan each poll anew.
_CANDIDATES = """
SELECT job_id FROM (
    SELECT due.job_id, due.wake_at, lane.priority, lane.capacity,
           row_number() OVER (PARTITION BY lane.queue ORDER BY lane.priority DESC, due.wake_at) AS rank
    FROM unnest((SELECT $1::text[]), (SELECT $2::int[]), (SELECT $3::int[]), (SELECT $8::timestamptz[]))
        AS lane (queue, priority, capacity, first),
    LATERAL (
        SELECT job_id, wake_at FROM jobs
        WHERE wake_at IS NOT NULL AND jobs.queue = lane.queue AND jobs.priority = lane.priority
          AND wake_at >= lane.first AND wake_at > $7 AND wake_at <= $4
          AND job_id <> ALL($5::uuid[])
        ORDER BY jobs.queue, jobs.priority, wake_at LIMIT lane.capacity
    ) AS due
) AS ranked
WHERE rank <= capacity
ORDER BY rank, priority DESC, wake_at LIMIT $6
"""


async def find_due_jobs(
    db: Connection, open_lanes: Sequence[tuple[Lane, int]], after: datetime, until: datetime, left_out: Sequence[UUID],
    most: int,
) -> list[UUID]:  # fmt: skip
    """The jobs due after `after` and by `until`, at most `most`, and of each lane as many as it has capacity for."""
    rows = [(lane.queue, lane.priority, min(capacity, most)) for lane, capacity in open_lanes]
    firsts = [lane.first for lane, _ in open_lanes]
    records = await db.fetch(_CANDIDATES, *zip(*rows, strict=True), until, left_out, most, after, firsts)
    return [record["job_id"] for record in records]
