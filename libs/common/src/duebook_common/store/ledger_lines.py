"""Ledger lines: what stays of a run for ever once its period is archived.

A run has either a row or a line: one statement makes the line of the row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from orjson import loads

from duebook_common.domain.run.events import FirstEvent, RunBuffered, RunSkipped, Trigger
from duebook_common.domain.run.events import stream as run_stream
from duebook_common.domain.run.state import RunStatus
from duebook_common.store.codec import encode
from duebook_common.store.database import Connection, Pool, rows_changed
from duebook_common.store.eventstore import RecordedEvent


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """What is known of an archived run. All times are UTC; `due_at` is the nominal time where nothing else is known.

    `period` is the archive that has its events, and `archive` its number. `version` is that of its last event.
    `created_at` is when it was decided, `next_at`, `next_due_at` and `resumed_at` are of its first event, and
    `position` is the number of that event in the log. `erased_at` is set if its contents were erased before it left.
    """

    run_id: UUID
    job_id: UUID
    nominal_at: datetime
    due_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    next_at: datetime | None
    next_due_at: datetime | None
    resumed_at: datetime | None
    position: int
    archive: int
    period: str
    definition_version: int
    job_version: int
    version: int
    attempt: int
    failures: int
    status: RunStatus
    trigger: Trigger
    reason: str | None
    erased_at: datetime | None = None

    @property
    def first_event(self) -> FirstEvent:
        """What the first event of the run did to its job; its other fields are not known any more."""
        values: dict[str, Any] = {
            "job_id": self.job_id,
            "job_name": "",
            "job_version": self.job_version,
            "definition_at": self.definition_version,
            "nominal_at": self.nominal_at,
            "due_at": self.due_at,
            "trigger": self.trigger,
            "next_at": self.next_at,
            "next_due_at": self.next_due_at,
            "at": self.created_at,
            "reason": self.reason or "",
        }
        if self.status is RunStatus.SKIPPED and self.version == 1:
            return RunSkipped(**values)
        return RunBuffered(**values, wake_at=self.created_at, resumed_at=self.resumed_at)

    @property
    def recorded(self) -> RecordedEvent:
        """The first event as far as it is known, at its position in the log. The transaction is not known any more."""
        type_, data = encode(self.first_event)
        stream, id_ = run_stream(self.run_id), UUID(int=0)
        return RecordedEvent(
            0, self.position, stream, 1, id_, type_, loads(data), {}, self.job_id, recorded_at=self.created_at
        )


# An event of a leaving period whose stream has a line and no row any more: it is in the archive, and leaves soon.
SETTLED = """(
    born = ANY(ARRAY(SELECT periods.born FROM periods WHERE periods.status = 'leaving')) AND CASE left(stream, 4)
        WHEN 'run-' THEN EXISTS (SELECT FROM ledger_lines WHERE run_id = substring(stream FROM 5)::uuid)
        WHEN 'mail' THEN NOT EXISTS (SELECT FROM mails WHERE mails.run_id = substring(stream FROM 6)::uuid)
        WHEN 'job-' THEN EXISTS (
            SELECT FROM archived_jobs WHERE archived_jobs.job_id = substring(stream FROM 5)::uuid)
        ELSE false END
)"""
# A run without its first event stays: it has to be looked at.
_MOVE = """
WITH leaving AS (
    DELETE FROM runs USING events AS first
    WHERE runs.run_id = ANY($1::uuid[])
      AND first.stream = 'run-' || runs.run_id AND first.version = 1 AND first.born = runs.born
    RETURNING runs.*, first.position, first.data
)
INSERT INTO ledger_lines (
    run_id, job_id, nominal_at, due_at, created_at, started_at, finished_at, next_at, next_due_at, resumed_at, position,
    archive, definition_version, job_version, version, attempt, failures, status, trigger, reason,
    erased_at
)
SELECT run_id, job_id, nominal_at, nullif(due_at, nominal_at), created_at, started_at, finished_at,
       (data ->> 'next_at')::timestamptz, (data ->> 'next_due_at')::timestamptz, (data ->> 'resumed_at')::timestamptz,
       position, $2, definition_version, job_version, least(version, 32767), least(attempt, 32767),
       least(failures, 32767), status, trigger, reason, erased_at
FROM leaving
"""
_MOVE_JOBS = """
WITH leaving AS (
    DELETE FROM jobs WHERE job_id = ANY($1::uuid[]) AND status IN ('finished', 'deleted')
    AND NOT EXISTS (SELECT FROM runs WHERE runs.job_id = jobs.job_id) RETURNING *
)
INSERT INTO archived_jobs (
    job_id, name, task, queue, status, request_hash, created_at, updated_at, archive, erased_at
) SELECT job_id, name, task, queue, status, request_hash, created_at, updated_at, $2, erased_at FROM leaving
"""
_FORGET_REQUEST = "UPDATE archived_jobs SET request_hash = NULL WHERE job_id = $1"
_LINES = """
SELECT run_id, job_id, nominal_at, coalesce(due_at, nominal_at) AS due_at, created_at, started_at, finished_at, next_at,
       next_due_at, resumed_at, position, archive, period, definition_version, job_version, version, attempt, failures,
       status, trigger, reason, erased_at
FROM ledger_lines JOIN archives ON archives.number = ledger_lines.archive
"""
_BY_ID = f"{_LINES} WHERE run_id = ANY($1::uuid[])"
# A run is decided some seconds ahead of its nominal time at most.
_UNTIL = """
WHERE job_id = $1 AND trigger = ANY($2::text[]) AND created_at <= $3
  AND nominal_at <= $3::timestamptz + interval '1 minute'
"""
_LAST = f"{_LINES} {_UNTIL} ORDER BY nominal_at DESC, position DESC LIMIT 1"
# A skipped run with only one event is an occurrence that was left out, which does not count as a run.
_COUNT = f"""
SELECT count(*) FROM (
    SELECT FROM ledger_lines {_UNTIL} AND NOT (status = 'skipped' AND version = 1) LIMIT $4
) AS counted
"""  # noqa: S608
_OF_JOBS = f"{_LINES} WHERE job_id = ANY($1::uuid[]) ORDER BY position"


async def move_to_lines(db: Connection, run_ids: Iterable[UUID], archive: int) -> int:
    """Replace the rows of these runs, which have ended, by lines that name the archive; returns how many."""
    return rows_changed(await db.execute(_MOVE, list(run_ids), archive))


async def move_jobs_to_lines(db: Connection, job_ids: Iterable[UUID], archive: int) -> int:
    """Replace the rows of those of these jobs that have ended, as all their runs have; returns how many."""
    return rows_changed(await db.execute(_MOVE_JOBS, list(job_ids), archive))


async def forget_request(pool: Pool, job_id: UUID) -> None:
    """Forget what an archived job was created with: the hash of a request tells of its contents."""
    await pool.execute(_FORGET_REQUEST, job_id)


async def load_lines(db: Connection, run_ids: Iterable[UUID]) -> dict[UUID, LedgerLine]:
    """The lines of those of these runs that are archived."""
    return {record["run_id"]: _line(record) for record in await db.fetch(_BY_ID, list(run_ids))}


async def archived_first_events(db: Connection, job_ids: Iterable[UUID]) -> dict[UUID, list[RecordedEvent]]:
    """The first events of the archived runs of these jobs, as far as they are known."""
    lines = await lines_of_jobs(db, job_ids)
    return {job_id: [line.recorded for line in of_job] for job_id, of_job in lines.items()}


async def lines_of_jobs(db: Connection, job_ids: Iterable[UUID]) -> dict[UUID, list[LedgerLine]]:
    """All lines of these jobs, in the order in which the runs were decided."""
    lines: dict[UUID, list[LedgerLine]] = {}
    for record in await db.fetch(_OF_JOBS, list(job_ids)):
        lines.setdefault(record["job_id"], []).append(_line(record))
    return lines


async def last_line(db: Connection, job_id: UUID, triggers: Iterable[str], time: datetime) -> LedgerLine | None:
    """The line of the last run of the job that one of these triggers has decided by this time (UTC)."""
    record = await db.fetchrow(_LAST, job_id, list(triggers), time)
    return None if record is None else _line(record)


async def count_lines(db: Connection, job_id: UUID, triggers: Iterable[str], time: datetime, most: int) -> int:
    """How many runs of the job, that one of these triggers has decided by this time (UTC), have lines: up to `most`."""
    count: int = await db.fetchval(_COUNT, job_id, list(triggers), time, most)
    return count


def _line(record: Any) -> LedgerLine:
    values = dict(record)
    status, trigger = RunStatus(values.pop("status")), Trigger(values.pop("trigger"))
    return LedgerLine(**values, status=status, trigger=trigger)
