"""The runs whose `wake_at` has passed, as the poll reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.rows import TO_DECIDE, run_of
from duebook_scheduler.looks import Lane

# Queues take turns, so that a mass of due runs of one does not delay those of the others. In a queue priority counts.
# No dead row before the first of a lane is stepped over again: the look at the lanes has done so.
# Arrays come as subselects: if PostgreSQL knew how long they are while it plans, it would plan each poll anew.
_DUE_RUNS = f"""
WITH due AS MATERIALIZED (
    SELECT run_id, priority, wake_at, row_number() OVER (PARTITION BY queue ORDER BY priority DESC, wake_at) AS rank
    FROM unnest((SELECT $1::text[]), (SELECT $2::int[]), (SELECT $5::timestamptz[]))
        AS lane (lane_queue, lane_priority, first),
    LATERAL (
        SELECT run_id, queue, priority, wake_at FROM runs
        WHERE wake_at IS NOT NULL AND runs.queue = lane_queue AND runs.priority = lane_priority
          AND wake_at >= lane.first AND wake_at <= $3
        ORDER BY runs.queue, runs.priority, wake_at LIMIT $4
    ) AS runs
    ORDER BY rank, priority DESC, wake_at LIMIT $4
)
SELECT {TO_DECIDE}, leases.expires_at, jobs.status = 'deleted' AS job_deleted
FROM due JOIN runs USING (run_id) JOIN jobs USING (job_id)
LEFT JOIN leases ON leases.run_id = runs.run_id AND leases.attempt = runs.attempt
ORDER BY due.rank, due.priority DESC, due.wake_at
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run whose `wake_at` has passed, with the end of its attempt's lease (UTC) and whether its job was deleted."""

    run: Run
    lease_until: datetime | None
    job_deleted: bool


async def load_due_runs(db: Connection, lanes: Sequence[Lane], now: datetime, limit: int) -> list[DueRun]:
    """The due runs of these lanes, at most `limit`: queues take turns, and in each the highest priority comes first."""
    due = [lane for lane in lanes if lane.first <= now]
    if not due:
        return []
    queues, priorities, firsts = map(list, zip(*due, strict=True))
    records = await db.fetch(_DUE_RUNS, queues, priorities, now, limit, firsts)
    return [DueRun(run_of(record), record["expires_at"], record["job_deleted"]) for record in records]
