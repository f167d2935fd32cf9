"""The newest runs of several jobs, as lists of jobs show them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from duebook_common.store.database import Pool, acquire

# Each job's part reads so many entries of `runs_of_job`, however many runs the job has.
_LAST_RUNS = """
SELECT wanted.job_id, run.run_id, run.status, run.nominal_at, run.attempt
FROM unnest($1::uuid[]) AS wanted (job_id)
CROSS JOIN LATERAL (
    SELECT run_id, status, nominal_at, attempt, created_at FROM runs WHERE runs.job_id = wanted.job_id
    ORDER BY created_at DESC, nominal_at DESC, run_id DESC LIMIT $2
) AS run
ORDER BY wanted.job_id, run.created_at, run.nominal_at, run.run_id
"""


class LastRun(NamedTuple):
    """One of the newest runs of a job."""

    run_id: UUID
    status: str
    nominal_at: datetime
    attempt: int


async def last_runs(pool: Pool, job_ids: Sequence[UUID], count: int) -> dict[UUID, list[LastRun]]:
    """At most `count` runs of each job, oldest first."""
    found: dict[UUID, list[LastRun]] = {job_id: [] for job_id in job_ids}
    async with acquire(pool) as db:
        rows: list[Any] = await db.fetch(_LAST_RUNS, list(job_ids), count)
    for job_id, *run in rows:
        found[job_id].append(LastRun(*run))
    return found
