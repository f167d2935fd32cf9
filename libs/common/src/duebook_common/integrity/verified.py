"""How far the log was verified: the position up to which the last verification that found nothing has read."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from duebook_common.store.checkpoints import VERIFICATION, Checkpoint, put_checkpoint
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import COLUMNS

_READ = "SELECT xid, position FROM checkpoints WHERE subscriber = $1"
# A job that is overdue may lack an event.
_CHANGED = """
SELECT job_id FROM events WHERE (xid, position) > ($1::xid8, $2) AND job_id IS NOT NULL
UNION SELECT job_id FROM jobs WHERE status = 'active' AND wake_at <= $3
"""
EVENTS_OF_SOME_JOBS = f"""
SELECT {COLUMNS} FROM events JOIN (
    SELECT 'job-' || id AS stream FROM unnest($1::uuid[]) AS id
    UNION ALL
    SELECT kind || run_id FROM runs CROSS JOIN unnest('{{run-,mail-}}'::text[]) AS kind WHERE job_id = ANY($1::uuid[])
) AS wanted USING (stream) ORDER BY job_id, xid, position
"""  # noqa: S608


async def verified_to(db: Connection) -> Checkpoint | None:
    """Up to where the log was verified; None if it never was."""
    record = await db.fetchrow(_READ, VERIFICATION)
    return Checkpoint(record["xid"], record["position"]) if record else None


async def changed_jobs(db: Connection, since: Checkpoint, due_before: datetime) -> Sequence[UUID]:
    """The jobs with events after that position, and those that should have had one before `due_before` (UTC)."""
    return [record["job_id"] for record in await db.fetch(_CHANGED, since.xid, since.position, due_before)]


async def remember(pool: Pool, end: Checkpoint) -> None:
    """Note that the log was verified up to there. A later note stays."""
    async with transaction(pool) as db:
        await put_checkpoint(db, VERIFICATION, end)
