"""The runs whose `wake_at` has passed, as the poll reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.rows import TO_DECIDE, run_of
from duebook_scheduler.lanes import Lane

_DUE_RUNS = f"""
SELECT {TO_DECIDE}, leases.expires_at, jobs.status = 'deleted' AS job_deleted
FROM unnest($1::text[], $2::int[]) AS lane (queue, priority), LATERAL (
    SELECT * FROM runs
    WHERE wake_at IS NOT NULL AND runs.queue = lane.queue AND runs.priority = lane.priority AND wake_at <= $3
    ORDER BY runs.queue, runs.priority, wake_at LIMIT $4
) AS runs
JOIN jobs USING (job_id)
LEFT JOIN leases ON leases.run_id = runs.run_id AND leases.attempt = runs.attempt
ORDER BY runs.priority DESC, runs.wake_at LIMIT $4
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run whose `wake_at` has passed, with the end of its attempt's lease (UTC) and whether its job was deleted."""

    run: Run
    lease_until: datetime | None
    job_deleted: bool


async def load_due_runs(db: Connection, lanes: Sequence[Lane], now: datetime, limit: int) -> list[DueRun]:
    """The due runs of these lanes, at most `limit`: the highest priority first, then the longest due."""
    due = [(lane.queue, lane.priority) for lane in lanes if lane.first <= now]
    if not due:
        return []
    records = await db.fetch(_DUE_RUNS, *zip(*due, strict=True), now, limit)
    return [DueRun(run_of(record), record["expires_at"], record["job_deleted"]) for record in records]
