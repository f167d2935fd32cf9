"""Jobs and runs as they stood at an instant: folded from what was recorded by then."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from duebook_api.http.problems import Problem, not_found
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.state import Job
from duebook_common.domain.run import events
from duebook_common.domain.run.events import BY_SCHEDULE
from duebook_common.domain.run.state import Run
from duebook_common.store.codec import rfc3339
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import COLUMNS, RecordedEvent
from duebook_common.store.replay import fold_job, fold_run

_BY_THEN = f"SELECT {COLUMNS} FROM events WHERE stream = $1 AND recorded_at <= $2 ORDER BY version"  # noqa: S608
_BEGAN = "SELECT recorded_at FROM events WHERE stream = $1 AND version = 1"

# The last of its runs' first events says where a job goes on. Runs lie in the order of their decisions, by the clocks
# of several schedulers: of the last few the log says which came last. Each is decided before it is recorded.
_LAST_OPENING = f"""
WITH opened AS NOT MATERIALIZED (
    SELECT runs.created_at, events.* FROM runs
    JOIN events ON events.stream = 'run-' || runs.run_id AND events.version = 1
    WHERE runs.job_id = $1 AND runs.trigger = ANY($2::text[])
      AND runs.created_at <= $3::timestamptz + $4::interval AND events.recorded_at <= $3
)
SELECT {COLUMNS} FROM opened
WHERE created_at >= (SELECT created_at FROM opened ORDER BY created_at DESC LIMIT 1) - $4::interval
ORDER BY xid DESC, position DESC LIMIT 1
"""  # noqa: S608
_CLOCKS_DIFFER = timedelta(seconds=1)

# Only an occurrence that was left out has no more than its first event and is skipped: no run that counts.
_RUNS = """
SELECT count(*) FROM runs
WHERE job_id = $1 AND trigger = ANY($2::text[]) AND created_at <= $3 AND NOT (status = 'skipped' AND version = 1)
"""
_MOVING = [trigger.value for trigger in BY_SCHEDULE]


async def job_as_of(db: Connection, job_id: UUID, time: datetime) -> Job:
    """The job; raises Problem 404 where there was none. However many runs it has had, few rows are read."""
    stream = job_events.stream(job_id)
    told = await _told(db, stream, f"job {job_id}", time)
    last = await db.fetchrow(_LAST_OPENING, job_id, _MOVING, time, _CLOCKS_DIFFER)
    if last is None:
        return fold_job(job_id, told)
    opening = RecordedEvent(**last)
    job = fold_job(job_id, sorted([*told, opening], key=lambda item: (item.xid, item.position)))
    return replace(job, runs=await db.fetchval(_RUNS, job_id, _MOVING, opening.event.at))


async def run_as_of(db: Connection, run_id: UUID, time: datetime) -> Run:
    """The run; raises Problem 404 where there was none."""
    return fold_run(await _told(db, events.stream(run_id), f"run {run_id}", time))


async def _told(db: Connection, stream: str, what: str, time: datetime) -> list[RecordedEvent]:
    recorded = [RecordedEvent(**record) for record in await db.fetch(_BY_THEN, stream, time)]
    if recorded:
        return recorded
    began: datetime | None = await db.fetchval(_BEGAN, stream)
    if began is None:
        raise not_found(what)
    raise Problem(404, "not_found", f"there was no {what} at {rfc3339(time)}: it exists since {rfc3339(began)}")
