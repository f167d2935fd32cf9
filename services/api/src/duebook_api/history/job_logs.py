"""Job logs: the events of attempts, and the lines that tasks have logged."""

import re
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.history.archived import job_must_exist, must_not_be_archived
from duebook_api.http.paging import Id, NoQuery, PageQuery, decode_cursor, integer_between, page, page_of, query
from duebook_api.http.path_ids import PathJobId
from duebook_api.http.problems import not_found
from duebook_api.http.replies import reply
from duebook_api.schemas import answers, views
from duebook_api.schemas.answers import LogStatus
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import acquire

router = APIRouter(prefix="/api/job-log", tags=["job logs"])

_XID, _POSITION = 2**64 - 1, 2**63 - 1

# RunDeadLettered names no attempt; it belongs to the last one that was started.
_OF_EVENTS = """
SELECT xid, position, job_id, substr(stream, 5)::uuid AS run_id, type, data->>'executor' AS executor,
       concat_ws('; ', coalesce(data->>'error', data->>'reason'),
           CASE WHEN (data->>'given_up')::bool THEN 'given up, and may still be running' END) AS message,
       recorded_at AS logged_at,
       CASE type WHEN 'RunDeadLettered' THEN (
           SELECT max((s.data->>'attempt')::int) FROM events s
           WHERE s.stream = e.stream AND s.born = e.born AND s.version < e.version AND s.type = 'AttemptStarted'
       ) ELSE (data->>'attempt')::int END AS attempt, NULL AS level, NULL::jsonb AS fields
FROM events e
WHERE type IN (
    'AttemptStarted', 'AttemptSucceeded', 'AttemptFailed', 'AttemptLost', 'AttemptReleased',
    'RunCancelled', 'RunDeadLettered'
)
"""
_OF_LINES = """
SELECT xid, position, job_id, run_id, 'line' AS type, NULL AS executor, message, logged_at, attempt, level, fields
FROM log_lines WHERE true
"""
_RUN_OF_EVENTS = "AND stream = 'run-' || $4::uuid"
# The index of lines is by job; those before the run's first event are not read, nor those long after its last one: an
# executor writes the lines of an attempt before its outcome, and those of a lost attempt soon after.
_LATE_LINES = 10_000  # transactions
_RUN_OF_LINES = """
AND run_id = $4::uuid AND job_id = (SELECT job_id FROM runs WHERE run_id = $4::uuid)
AND xid >= (SELECT xid FROM events WHERE stream = 'run-' || $4::uuid AND version = 1)
"""
_END_OF_LINES = f"""(
    SELECT CASE WHEN wake_at IS NULL THEN (
        SELECT (xid::text::bigint + {_LATE_LINES})::text::xid8 FROM events
        WHERE stream = 'run-' || $4::uuid ORDER BY version DESC LIMIT 1
    ) END
    FROM runs WHERE run_id = $4::uuid
)"""  # noqa: S608
_NEWEST = "ORDER BY xid DESC, position DESC LIMIT $3"
_PAGE = f"AND (xid, position) < ($1::xid8, $2) {_NEWEST}"
_PAGE_OF_LINES = f"AND (xid, position) < (least($1::xid8, {_END_OF_LINES}), $2) {_NEWEST}"

_OF_JOB = f"""
({_OF_EVENTS} AND job_id = $4 {_PAGE}) UNION ALL ({_OF_LINES} AND job_id = $4 {_PAGE})
{_NEWEST}
"""
_ONE = f"""
({_OF_EVENTS} AND xid = $1::xid8 AND position = $2) UNION ALL ({_OF_LINES} AND xid = $1::xid8 AND position = $2)
"""
_TYPES = {status: type_ for type_, status in views.LOG_STATUS.items()}


class LogQuery(PageQuery):
    run_id: Id | None = None
    status: LogStatus | None = None


def statement(q: LogQuery) -> tuple[str, list[object]]:
    """The page of entries: events, lines, or both, each as conditions for which there is an index."""
    of_events = f"AND type = '{_TYPES[q.status]}'" if q.status else ""
    of_lines, page_of_lines = "", _PAGE
    arguments: list[object] = [*_before(q), q.limit + 1]
    if q.run_id is not None:
        of_events, of_lines, page_of_lines = f"{of_events} {_RUN_OF_EVENTS}", _RUN_OF_LINES, _PAGE_OF_LINES
        arguments.append(q.run_id)
    events, lines = f"({_OF_EVENTS} {of_events} {_PAGE})", f"({_OF_LINES} {of_lines} {page_of_lines})"
    parts = [events, lines] if q.status is None else [lines if q.status == "log" else events]
    union = " UNION ALL ".join(parts)
    return f"SELECT * FROM ({union}) AS entries {_NEWEST}", arguments  # noqa: S608 - of constants


def _before(q: PageQuery) -> tuple[int, int]:
    """The order of the last entry of the page before; at first one that comes after all."""
    xid, position = decode_cursor(q, integer_between(0, _XID), integer_between(0, _POSITION)) or (
        _XID,
        _POSITION,
    )
    return xid, position


def _order(row: Any) -> tuple[int, int]:
    return row["xid"], row["position"]


@router.get("", openapi_extra=operation(Scope.LOGS_READ, query=LogQuery), response_model=answers.Page[answers.LogEntry])
async def list_job_logs(request: Request) -> Response:
    """Newest first; of all runs, or of one."""
    return reply(await find_job_logs(dependencies(request), query(request, LogQuery)))


async def find_job_logs(deps: Dependencies, q: LogQuery) -> views.View:
    """One page of the entries; raises Problem 410 for a run that is archived."""
    sql, arguments = statement(q)
    async with acquire(deps.pool) as db:
        rows: list[Any] = await db.fetch(sql, *arguments)
        if not rows and q.run_id is not None:
            await must_not_be_archived(db, UUID(q.run_id))
    return page_of(rows, q, views.log_entry, _order)


@router.get(
    "/job/{job_id}",
    openapi_extra=operation(Scope.LOGS_READ, query=PageQuery),
    response_model=answers.Page[answers.LogEntry],
)
async def list_logs_of_job(request: Request, job_id: PathJobId) -> Response:
    """The entries of one job, newest first."""
    q = query(request, PageQuery)
    async with acquire(dependencies(request).pool) as db:
        rows: list[Any] = await db.fetch(_OF_JOB, *_before(q), q.limit + 1, job_id)
        if not rows:
            await job_must_exist(db, job_id)
    return page(rows, q, views.log_entry, _order)


_ID = re.compile(r"(\d{1,20})-(\d{1,19})", re.ASCII)


@router.get("/{log_id}", openapi_extra=operation(Scope.LOGS_READ), response_model=answers.LogEntry)
async def show_job_log(request: Request, log_id: str) -> Response:
    """One entry of the job log."""
    query(request, NoQuery)
    numbers = _ID.fullmatch(log_id)
    row: Any = None
    if numbers is not None and int(numbers[1]) <= _XID and int(numbers[2]) <= _POSITION:
        async with acquire(dependencies(request).pool) as db:
            row = await db.fetchrow(_ONE, int(numbers[1]), int(numbers[2]))
    if row is None:
        raise not_found(f"job log entry {log_id[:100]}")
    return reply(views.log_entry(row))
