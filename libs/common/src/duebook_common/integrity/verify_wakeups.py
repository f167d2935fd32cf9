"""Invariant 4: every active job and run is looked at when its state needs it, and nothing else is."""

from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.database import Connection
from duebook_common.store.wakeups import BEYOND_POSTPONEMENT_OF_RUN, LONGEST_POSTPONEMENT_OF_JOB

_JOBS = """
SELECT 'job-' || job_id AS stream, wake_at, coalesce(next_due_at, next_at) AS planned FROM jobs
WHERE status = 'active' AND (wake_at IS NULL OR (
    wake_at > coalesce(next_due_at, next_at) AND wake_at > clock_timestamp() + $1::interval))
"""
_RUNS = f"""
SELECT 'run-' || run_id AS stream, wake_at, planned_wake_at AS planned FROM runs
WHERE CASE WHEN status IN ('succeeded', 'cancelled', 'skipped', 'discarded') THEN wake_at IS NOT NULL ELSE
    (wake_at IS NULL AND status <> 'dead_lettered')
    OR (wake_at > planned_wake_at AND {BEYOND_POSTPONEMENT_OF_RUN}) END
"""  # noqa: S608


async def check_wakeups(db: Connection) -> list[Breach]:
    """The jobs and runs whose `wake_at` is missing, or further ahead than a postponement explains."""
    records = [
        *await db.fetch(_JOBS, LONGEST_POSTPONEMENT_OF_JOB),
        *await db.fetch(_RUNS),
    ]
    return [
        Breach(Invariant.NOTHING_STRANDS, r["stream"], f"wakes at {r['wake_at']}, but is due at {r['planned']}")
        for r in records
    ]
