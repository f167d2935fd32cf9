"""New jobs in one statement: the row of each, and the first event of its stream."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_common.domain.job.state import Job
from duebook_common.store.codec import encode
from duebook_common.store.columns import Column, Columns, Statements, arguments, one_row, rows
from duebook_common.store.conflict import unique_keys
from duebook_common.store.database import Connection
from duebook_common.store.job_plan import NewJob
from duebook_common.store.projected_columns import JOB

# The columns of a new row that take no argument of their own; `r` are the arguments of the others, and `e` the event.
_KNOWN = {
    "born": "coalesce(e.born, (SELECT p.born FROM periods p WHERE p.status = 'open'))",
    "stream_version": "1",
    "version": "1",
    "definition_version": "1",
    "status": "'active'",
    "runs": "0",
    "wake_at": "coalesce(r.next_due_at, r.next_at)",
    "backlog_since": "NULL",
    "held": "false",
    "reason": "NULL",
    "updated_at": "r.created_at",
    "erased_at": "NULL",
    "definition": "e.data -> 'definition'",
}
_GIVEN: Columns[Job] = tuple(column for column in JOB if column.name not in _KNOWN)
_given_arguments = arguments(_GIVEN)


def _value(column: Column[Job]) -> str:
    return _KNOWN.get(column.name) or column.sql or f"r.{column.name}"


# The key of `jobs` judges whether a job is new, in all periods; that of `events` has nothing to refuse then, and would
# fail the statement. A job that left for an archive keeps its id. Rows are locked in the order of ids, so that
# statements which share ids do not deadlock. A job that leaves in this moment is in one of both tables, by the snapshot
# of the statement. What these are asked stands in subselects: as a join, a plan of the time when one of them was small
# would read all of it.
_STATEMENT = f"""
WITH opened AS (
    INSERT INTO jobs ({", ".join(column.name for column in JOB)})
    SELECT {", ".join(map(_value, JOB))} FROM {{events}} JOIN {{given}} USING (job_id)
    WHERE (SELECT true FROM archived_jobs a WHERE a.job_id = e.job_id) IS NULL
      AND (SELECT true FROM jobs j WHERE j.job_id = e.job_id) IS NULL ORDER BY e.job_id
    ON CONFLICT (job_id) DO NOTHING RETURNING job_id, born
)
INSERT INTO events (stream, version, id, type, data, meta, job_id, recorded_at, born)
SELECT 'job-' || e.job_id, 1, e.id, 'JobCreated', e.data, e.meta, e.job_id, clock_timestamp(), opened.born
FROM {{events}} JOIN opened USING (job_id) RETURNING job_id
"""  # noqa: S608
_EVENT: Columns[Any] = (
    Column("job_id", "uuid"),
    Column("id", "uuid"),
    Column("data", "jsonb"),
    Column("meta", "jsonb"),
    Column("born", "timestamptz"),
)

# Arrays come as subselects: if PostgreSQL knew how long they are while it plans, it would plan each statement anew,
# which takes longer than its execution. One plan does for all, because it reads tables by their keys only.
_ARRAY = "(SELECT ${}::{}[])"


def _arguments(new_jobs: Sequence[NewJob]) -> list[Sequence[Any]]:
    events = [(new.id, uuids.uuid7(), encode(new.event)[1], new.actor.meta_of_schedule(), new.born) for new in new_jobs]
    return [*zip(*events, strict=True), *_given_arguments([new.job for new in new_jobs])]


_OPEN = Statements(
    _STATEMENT.format(events=rows(_EVENT, 1, _ARRAY, "e"), given=rows(_GIVEN, 6, _ARRAY)),
    _STATEMENT.format(events=one_row(_EVENT, 1, "e"), given=one_row(_GIVEN, 6)),
    _arguments,
)


async def open_jobs(db: Connection, new_jobs: Sequence[NewJob]) -> set[UUID]:
    """Write the rows and the events of the jobs that do not exist; returns their ids. Raises JobKeyTaken."""
    with unique_keys():
        found: Sequence[Any] = await db.fetch(*_OPEN.of(new_jobs))
    return {record["job_id"] for record in found}
