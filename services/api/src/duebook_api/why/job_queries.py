"""What the explanation of a job reads: the events of its stream, and which of its runs matter."""

from datetime import datetime, timedelta
from uuid import UUID

from duebook_api.why.facts import JobEventSummary
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.ids import run_id_at, run_id_of_backfill
from duebook_common.store.database import Connection
from duebook_common.store.predicates import ACTIVE

_MAX_RUNS, _MAX_EVENTS = 5, 10_000
_SECOND, _RESOLUTION = timedelta(seconds=1), timedelta(microseconds=1)

_SUMMARY = """
SELECT version, type, (data ->> 'at')::timestamptz AS at, meta ->> 'actor' AS actor, data ->> 'reason' AS reason,
       (data ->> 'first')::timestamptz AS first, (data ->> 'last')::timestamptz AS last,
       (data ->> 'count')::int AS count, coalesce((data ->> 'hold')::bool, false) AS hold, meta ->> 'bulk' AS bulk,
       (SELECT reason FROM bulk_operations WHERE bulk_id = (meta ->> 'bulk')::uuid) AS bulk_reason
FROM events WHERE stream = $1
"""
_EVENTS = f"{_SUMMARY} AND (version = 1 OR version > $2) ORDER BY version"
_LAST_HOLD = f"{_SUMMARY} AND type = 'JobPaused' AND data ->> 'hold' = 'true' ORDER BY version DESC LIMIT 1"


async def job_event_summaries(db: Connection, job: Job) -> list[JobEventSummary]:
    """The first event of the job's stream and its latest 10,000."""
    records = await db.fetch(_EVENTS, job_events.stream(job.id), job.stream_version - _MAX_EVENTS)
    return [JobEventSummary(**record) for record in records]


async def last_hold(db: Connection, job_id: UUID) -> JobEventSummary | None:
    """The last pause of the job that held its runs."""
    record = await db.fetchrow(_LAST_HOLD, job_events.stream(job_id))
    return None if record is None else JobEventSummary(**record)


_ACTIVE_RUNS = f"""
SELECT run_id FROM runs WHERE job_id = $1 AND {ACTIVE}
ORDER BY status = 'waiting', created_at, nominal_at LIMIT $2
"""  # noqa: S608
_NEWEST_RUN = "SELECT run_id FROM runs WHERE job_id = $1 ORDER BY created_at DESC, run_id DESC LIMIT 1"


async def present_run_ids(db: Connection, job_id: UUID) -> list[UUID]:
    """Up to five active runs of the job, or its newest run if none is active."""
    records = await db.fetch(_ACTIVE_RUNS, job_id, _MAX_RUNS) or await db.fetch(_NEWEST_RUN, job_id)
    return [record["run_id"] for record in records]


_MANUAL_RUNS = """
SELECT run_id FROM runs WHERE job_id = $1 AND trigger IN ('manual', 'rerun') AND created_at >= $2 AND created_at < $3
ORDER BY created_at LIMIT $4
"""


async def run_ids_at(db: Connection, job_id: UUID, at: datetime) -> list[UUID]:
    """The runs that a time may have: the schedule's, a backfill's, and manual ones created in the same second."""
    end = at + (_RESOLUTION if at.microsecond else _SECOND)
    manual = await db.fetch(_MANUAL_RUNS, job_id, at, end, _MAX_RUNS)
    return [run_id_at(job_id, at), run_id_of_backfill(job_id, at), *(record["run_id"] for record in manual)]
