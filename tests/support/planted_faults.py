"""Faults in a log or its rows, as only the owner of the database can plant them."""

from datetime import timedelta
from uuid import UUID

from duebook_common.store.database import Pool, transaction

LONG_AGO = timedelta(days=400_000)
# Each breaks the log or a row of another job `$1` in another way.
FAULTS = (
    "UPDATE events SET meta = '{}' WHERE stream = 'job-' || $1",
    "DELETE FROM events WHERE job_id = $1 AND type = 'AttemptStarted'",
    "DELETE FROM events WHERE job_id = $1 AND stream LIKE 'run-%' AND version = 1",
    "UPDATE events SET salt = NULL, sealed = commitment_of(salt, data) WHERE stream = 'job-' || $1 AND version = 1",
    "UPDATE runs SET attempt = attempt + 7 WHERE job_id = $1",
    "DELETE FROM runs WHERE job_id = $1",
    "UPDATE jobs SET queue = 'x' WHERE job_id = $1",
    "UPDATE runs SET wake_at = now() WHERE job_id = $1 AND status = 'succeeded'",
    (
        "INSERT INTO runs SELECT (jsonb_populate_record(r, jsonb_build_object('run_id', gen_random_uuid()))).* "
        "FROM runs AS r WHERE job_id = $1"
    ),
    "UPDATE events SET born = '-infinity' WHERE job_id = $1 AND type = 'AttemptStarted'",
)
JOBS = "SELECT job_id FROM events WHERE type = 'JobCreated' ORDER BY position"


async def plant(pool: Pool, fault: str, job_id: UUID) -> None:
    """Break something of a job."""
    await unguarded(pool, fault.replace("$1", f"'{job_id}'::uuid"))


async def unguarded(pool: Pool, statement: str) -> None:
    """Change the log as only the owner of the database can who removes its triggers first."""
    async with transaction(pool) as db:
        await db.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        await db.execute(statement)
        await db.execute("ALTER TABLE events ENABLE TRIGGER ALL")
