"""Executors: which run, what they serve, and what they are doing."""

from typing import Any, Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.filters import Statement, newest_first
from duebook_api.http.paging import NoQuery, PageQuery, SortOrder, Text, page_of, query, utc_time
from duebook_api.http.problems import not_found
from duebook_api.http.replies import reply
from duebook_api.schemas import answers, installation
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import acquire
from duebook_common.store.predicates import PRESENCE

router = APIRouter(prefix="/api/executor", tags=["installation"])

State = Literal["alive", "draining", "lost"]

_ORDER = SortOrder(("started_at", "executor"), (utc_time, str))
_EXECUTORS = f"SELECT *, {PRESENCE} AS state FROM executors"  # noqa: S608
_RUNS = """
SELECT run_id, job_id, job_name, task, queue, attempt, started_at, cancel_requested FROM runs
WHERE run_id = ANY($1::uuid[]) AND status = 'running' AND executor = $2 ORDER BY started_at, run_id
"""


class ExecutorQuery(PageQuery):
    state: State | None = None
    queue: Text | None = None
    task: Text | None = None


@router.get(
    "",
    openapi_extra=operation(Scope.SYSTEM_READ, query=ExecutorQuery),
    response_model=answers.Page[installation.Executor],
)
async def list_executors(request: Request) -> Response:
    """The executors of the last day, those that started last first.

    An executor renews its entry every ten seconds, and removes it when it has stopped. One that was not heard of for a
    minute is `lost`, and is forgotten after a day.
    """
    return reply(await find_executors(dependencies(request), query(request, ExecutorQuery)))


async def find_executors(deps: Dependencies, q: ExecutorQuery) -> dict[str, Any]:
    """One page of the list of executors."""
    text, arguments = statement(q)
    async with acquire(deps.pool) as db:
        rows: list[Any] = await db.fetch(text, *arguments)
    return page_of(rows, q, _view, _ORDER.of)


def statement(q: ExecutorQuery) -> Statement:
    """The table has one row for each executor of the last day: it needs no index."""
    return newest_first(
        _EXECUTORS,
        _ORDER,
        q,
        (f"{PRESENCE} = {{}}", q.state),
        ("{} = ANY(queues)", q.queue),
        ("{} = ANY(tasks)", q.task),
    )


@router.get("/{executor_id:path}", openapi_extra=operation(Scope.SYSTEM_READ), response_model=installation.BusyExecutor)
async def show_executor(executor_id: str, request: Request) -> Response:
    """An executor, and the runs that it executes: a hundred at most, as of its last heartbeat."""
    query(request, NoQuery)
    found = await executor(dependencies(request), executor_id)
    if found is None:
        raise not_found(f"executor {executor_id[:100]}")
    return reply(found)


async def executor(deps: Dependencies, executor_id: str) -> dict[str, Any] | None:
    """The executor with this id or name, with its runs; None if there is none."""
    async with acquire(deps.pool) as db:
        row = await db.fetchrow(f"{_EXECUTORS} WHERE executor = $1 OR right(executor, 37) = '/' || $1", executor_id)
        if row is None:
            return None
        runs = await db.fetch(_RUNS, row["doing"], row["executor"])
    return _view(row) | {"runs": [{"id": run["run_id"], **dict(run)} for run in runs]}


def _view(row: Any) -> dict[str, Any]:
    shown = ("host", "version", "state", "queues", "slots", "running", "started_at", "seen_at")
    name = row["executor"]
    return {
        "id": name.rpartition("/")[2],
        "name": name,
        **{each: row[each] for each in shown},
        "tasks": sorted(row["tasks"]),
    }
