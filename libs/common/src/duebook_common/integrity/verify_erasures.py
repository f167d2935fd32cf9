"""Invariant 8: the log keeps contents until they are erased, and only an event of an erasure says that they were."""

from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.database import Connection

# The erasure of a mail is that of its run, or of the job whose missed occurrences it is about.
_WITHOUT_EVENT = """
SELECT DISTINCT stream FROM events AS erased WHERE sealed IS NOT NULL AND NOT EXISTS (
    SELECT FROM events AS e
    WHERE e.stream = ANY(ARRAY[erased.stream, 'run-' || right(erased.stream, 36), 'job-' || erased.job_id])
    AND e.type IN ('RunErased', 'JobErased')
)
"""
_LEFT = """
SELECT events.stream FROM events JOIN (
    SELECT 'run-' || run_id AS stream FROM runs WHERE erased_at IS NOT NULL
    UNION ALL SELECT 'mail-' || run_id FROM runs WHERE erased_at IS NOT NULL
    UNION ALL SELECT 'job-' || job_id FROM jobs WHERE erased_at IS NOT NULL
) AS erased USING (stream) WHERE frame_of(data) <> data
UNION
SELECT 'run-' || run_id FROM log_lines JOIN runs USING (run_id) WHERE erased_at IS NOT NULL
"""


async def check_erasures(db: Connection) -> list[Breach]:
    """Contents that are gone without an erasure, and contents that an erasure has left."""
    gone = [Breach(Invariant.APPEND_ONLY, row["stream"], "lacks contents") for row in await db.fetch(_WITHOUT_EVENT)]
    left = "was erased and has contents; erase it again"
    return gone + [Breach(Invariant.APPEND_ONLY, row["stream"], left) for row in await db.fetch(_LEFT)]
