"""How far the log was verified: the checkpoint of the last verification that found nothing.

The hash of the newest line of a day signs it: a change of what lies before it needs another line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from duebook_common.domain.day_hash import DayLine
from duebook_common.store.checkpoints import VERIFICATION, Checkpoint, put_checkpoint
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import COLUMNS
from duebook_common.store.ledger_lines import SETTLED

EVER = datetime(1970, 1, 1, tzinfo=UTC)

# No event behind the checkpoint was recorded longer before that at it: no transaction is open for a day. The clock may
# have been ahead then, and set right since.
_READ = """
SELECT xid, position, line, coalesce(least(
    (SELECT recorded_at FROM events WHERE (events.xid, events.position) <= (checkpoints.xid, checkpoints.position)
     ORDER BY xid DESC, position DESC LIMIT 1),
    (SELECT min(recorded_at) FROM events WHERE (events.xid, events.position) > (checkpoints.xid, checkpoints.position))
) - interval '1 day', '1970-01-01') AS recorded_after FROM checkpoints WHERE subscriber = $1
"""
# A job that is overdue may lack an event.
_CHANGED = """
SELECT job_id FROM events WHERE (xid, position) > ($1::xid8, $2) AND job_id IS NOT NULL
UNION SELECT job_id FROM jobs WHERE status = 'active' AND wake_at <= $3
"""
# Also of a run whose row is missing.
EVENTS_OF_SOME_JOBS = f"""
SELECT {COLUMNS} FROM events JOIN (
    SELECT 'job-' || id AS stream FROM unnest($1::uuid[]) AS id
    UNION ALL
    SELECT kind || run_id FROM runs CROSS JOIN unnest('{{run-,mail-}}'::text[]) AS kind WHERE job_id = ANY($1::uuid[])
    UNION
    SELECT stream FROM events WHERE (xid, position) > ($2::xid8, $3) AND job_id = ANY($1::uuid[])
) AS wanted USING (stream) WHERE NOT {SETTLED} ORDER BY job_id, xid, position
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Verified:
    """The log was verified up to this position.

    `line` is the hash of the newest line of a day then, None without one. All events behind the position were
    `recorded_after` that time (UTC).
    """

    xid: int
    position: int
    line: str | None
    recorded_after: datetime


async def verified_to(db: Connection) -> Verified | None:
    """Up to where the log was verified; None if it never was."""
    record = await db.fetchrow(_READ, VERIFICATION)
    return Verified(**record) if record else None


async def changed_jobs(db: Connection, since: Verified, due_before: datetime) -> Sequence[UUID]:
    """The jobs with events after that position, and those that should have had one before `due_before` (UTC)."""
    return [record["job_id"] for record in await db.fetch(_CHANGED, since.xid, since.position, due_before)]


async def remember(pool: Pool, end: Checkpoint, line: DayLine | None = None) -> None:
    """Note that the log was verified up to there, and the newest line of a day then. A later note stays."""
    async with transaction(pool) as db:
        await put_checkpoint(db, VERIFICATION, end, None if line is None else line.hash)
