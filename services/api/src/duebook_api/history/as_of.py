"""Jobs and runs as of an earlier instant: folded from the events that were recorded by then."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from duebook_api.history.archived import archived, archived_job_periods, archived_run, missing_job
from duebook_api.http.problems import Problem, not_found
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.state import Job
from duebook_common.domain.run import events
from duebook_common.domain.run.events import BY_SCHEDULE
from duebook_common.domain.run.state import Run
from duebook_common.store.codec import rfc3339
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import COLUMNS, LIGHT_DATA, RecordedEvent
from duebook_common.store.ledger_lines import count_lines, last_line
from duebook_common.store.replay import fold_job, fold_run, moving_job

_BY_THEN = f"SELECT {COLUMNS} FROM events WHERE stream = $1 AND recorded_at <= $2 ORDER BY version"  # noqa: S608
# Of a job only the last definition is shown. Those before it may be many and large.
_JOB_BY_THEN = _BY_THEN.replace(
    " data,",
    f""" CASE WHEN version < (
        SELECT max(version) FROM events
        WHERE stream = $1 AND recorded_at <= $2 AND type IN ('JobCreated', 'JobChanged')
    ) THEN {LIGHT_DATA} ELSE data END AS data,""",  # noqa: S608
)
_CREATED = "SELECT recorded_at FROM events WHERE stream = $1 AND version = 1"

# The first event of a run also moves its job to the next occurrence, so the job needs the last of these events. Runs
# are sorted by the time of their decision, from the clocks of several schedulers. Of the runs within the difference of
# these clocks, the order of the log decides which one is the last. A run is decided before it is recorded.
_LAST_FIRST_EVENT = f"""
WITH opened AS NOT MATERIALIZED (
    SELECT runs.created_at AS opened_at, events.* FROM runs
    JOIN events ON events.stream = 'run-' || runs.run_id AND events.born = runs.born AND events.version = 1
    WHERE runs.job_id = $1 AND runs.trigger = ANY($2::text[])
      AND runs.created_at <= $3::timestamptz + $4::interval AND events.recorded_at <= $3
)
SELECT {COLUMNS} FROM opened
WHERE opened_at >= (SELECT opened_at FROM opened ORDER BY opened_at DESC LIMIT 1) - $4::interval
ORDER BY xid DESC, position DESC LIMIT 1
"""  # noqa: S608
_CLOCK_DIFFERENCE = timedelta(seconds=1)

# A skipped run with only one event is an occurrence that was left out, which does not count as a run.
_COUNT_RUNS = """
SELECT count(*) FROM (
    SELECT FROM runs
    WHERE job_id = $1 AND trigger = ANY($2::text[]) AND created_at <= $3 AND NOT (status = 'skipped' AND version = 1)
    LIMIT $4
) AS counted
"""
_SCHEDULED = [trigger.value for trigger in BY_SCHEDULE]


async def job_as_of(db: Connection, job_id: UUID, time: datetime) -> Job:
    """The job; raises Problem 404 if it did not exist.

    Reads few rows, however many runs the job has: `runs` counts them up to `max_runs`, and means nothing without it.
    """
    if await archived_job_periods(db, [job_id]):
        raise await missing_job(db, job_id)
    stream = job_events.stream(job_id)
    recorded = await _recorded_until(db, _JOB_BY_THEN, stream, f"job {job_id}", time)
    last = await _last_first_event(db, job_id, time)
    if last is None:
        return fold_job(job_id, recorded)
    job = fold_job(job_id, moving_job(recorded, [last]))
    if (most := job.definition.max_runs) is None:
        return job
    decided_at = last.event.at
    runs: int = await db.fetchval(_COUNT_RUNS, job_id, _SCHEDULED, decided_at, most)
    if runs < most:
        runs += await count_lines(db, job_id, _SCHEDULED, decided_at, most - runs)
    return replace(job, runs=runs)


async def _last_first_event(db: Connection, job_id: UUID, time: datetime) -> RecordedEvent | None:
    """That of the last run that the schedule had opened by then, also if the run is archived."""
    row = await db.fetchrow(_LAST_FIRST_EVENT, job_id, _SCHEDULED, time, _CLOCK_DIFFERENCE)
    line = await last_line(db, job_id, _SCHEDULED, time)
    found = [RecordedEvent(**row)] if row is not None else []
    found += [line.recorded] if line is not None else []
    return max(found, key=lambda recorded: recorded.position, default=None)


async def run_as_of(db: Connection, run_id: UUID, time: datetime) -> tuple[Run, str | None]:
    """The run, and the archive that has its events, if it is archived.

    Raises Problem 404 if it did not exist, and 410 if only the archive knows how far it was.
    """
    found = await archived_run(db, run_id)
    if found is None:
        return fold_run(await _recorded_until(db, _BY_THEN, events.stream(run_id), f"run {run_id}", time)), None
    run = found.run
    if time < run.created_at:
        raise _too_early(f"run {run_id}", time, run.created_at)
    if run.finished_at is not None and time < run.finished_at:
        raise archived(f"the state of run {run_id} at {rfc3339(time)}", found.period)
    return run, found.period


async def _recorded_until(
    db: Connection, statement: str, stream: str, what: str, time: datetime
) -> list[RecordedEvent]:
    recorded = [RecordedEvent(**record) for record in await db.fetch(statement, stream, time)]
    if recorded:
        return recorded
    created: datetime | None = await db.fetchval(_CREATED, stream)
    if created is None:
        raise not_found(what)
    raise _too_early(what, time, created)


def _too_early(what: str, time: datetime, created: datetime) -> Problem:
    return Problem(404, "not_found", f"there was no {what} at {rfc3339(time)}: it exists since {rfc3339(created)}")
