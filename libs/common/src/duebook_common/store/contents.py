"""What an erasure removes: payloads, results, errors, recipients of mails, log lines.

The frame of each event stays. The schema lets events change in this way only (`frame_of()`). A repeat erases what came
late.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.store.actor import Actor
from duebook_common.store.codec import encode_notify
from duebook_common.store.database import Connection
from duebook_common.store.run_notes import forget_notes

_EVENTS = """
UPDATE events SET sealed = commitment_of(salt, data), salt = NULL, data = frame_of(data)
WHERE stream = ANY($1::text[]) AND salt IS NOT NULL AND frame_of(data) <> data
"""
_RUNS = """
UPDATE runs SET payload = NULL, request_hash = NULL, notify = erased.notify, erased_at = erased.at
FROM unnest($1::uuid[], $2::jsonb[], $3::timestamptz[]) AS erased (id, notify, at) WHERE run_id = erased.id
"""
# The same of rows in an archive, as JSON.
_OF_LINES = """
SELECT row_to_json(after)::text AS line
FROM unnest($1::text[]) WITH ORDINALITY AS given (line, number),
    json_populate_record(NULL::events, given.line::json) AS old
    CROSS JOIN LATERAL (SELECT old.salt IS NOT NULL AND frame_of(old.data) <> old.data AS has) AS contents
    CROSS JOIN LATERAL (
        SELECT old.xid, old.position, old.recorded_at, old.version, old.id, old.job_id, old.stream, old.type,
            CASE WHEN has THEN frame_of(old.data) ELSE old.data END AS data, old.meta, old.born,
            CASE WHEN NOT has THEN old.salt END AS salt,
            CASE WHEN has THEN commitment_of(old.salt, old.data) ELSE old.sealed END AS sealed
    ) AS after
ORDER BY number
"""
_MAILS_OF_RUNS = "DELETE FROM mails WHERE run_id = ANY($1::uuid[])"
_LINES_OF_RUNS = "DELETE FROM log_lines WHERE job_id = ANY($2::uuid[]) AND run_id = ANY($1::uuid[])"
_JOB = "UPDATE jobs SET request_hash = NULL, erased_at = $2 WHERE job_id = $1"
REMEMBER = """
INSERT INTO erasures (job_id, requested_by, wake_at) VALUES ($1, $2, clock_timestamp()) ON CONFLICT DO NOTHING
"""
# The mails about missed occurrences have no run.
_MAILS_OF_JOB = "DELETE FROM mails WHERE job_id = $1 RETURNING 'mail-' || run_id"
_LINES_OF_JOB = "DELETE FROM log_lines WHERE job_id = $1"


async def erase_runs(db: Connection, runs: Sequence[Run]) -> None:
    """Erase the contents of runs, in the transaction of their `RunErased` or later."""
    if not runs:
        return
    ids, notify = [run.id for run in runs], [encode_notify(run.notify) for run in runs]
    await db.execute(_EVENTS, [f"{kind}-{id_}" for id_ in ids for kind in ("run", "mail")])
    await db.execute(_RUNS, ids, notify, [run.erased_at for run in runs])
    await db.execute(_MAILS_OF_RUNS, ids)
    await forget_notes(db, ids)
    await db.execute(_LINES_OF_RUNS, ids, list({run.job_id for run in runs}))


async def erase_jobs(db: Connection, jobs: Iterable[Job], actor: Actor) -> None:
    """Erase the contents of jobs, in the transaction of their `JobErased`; a scheduler erases those of their runs."""
    for job in jobs:
        await db.execute(_EVENTS, [job_events.stream(job.id)])
        await db.execute(_JOB, job.id, job.erased_at)
        await db.execute(REMEMBER, job.id, actor.name)


async def erase_lines(db: Connection, lines: Sequence[str]) -> list[str]:
    """Events of an archive, each a row as JSON, without their contents."""
    return [record["line"] for record in await db.fetch(_OF_LINES, lines)]


async def erase_rest_of_job(db: Connection, job_id: UUID) -> None:
    """Erase what an erased job has left besides the contents of its runs."""
    streams = [stream for (stream,) in await db.fetch(_MAILS_OF_JOB, job_id)]
    await db.execute(_EVENTS, list(set(streams)))
    await db.execute(_LINES_OF_JOB, job_id)
