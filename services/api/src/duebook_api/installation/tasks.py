"""Tasks: what executors have registered, who has it now, and which payload it takes."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.paging import NoQuery, PageQuery, decode_cursor, page, query
from duebook_api.http.problems import not_found
from duebook_api.http.replies import reply
from duebook_api.schemas import answers, installation
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import acquire
from duebook_common.store.predicates import IS_LIVE

router = APIRouter(prefix="/api/task", tags=["installation"])

_TASKS = f"""
SELECT name, payload_schema, defaults, greatest(tasks.seen_at, live.seen_at) AS seen_at,
       coalesce(live.executors, 0) AS executors, coalesce(live.queues, '{{}}') AS queues
FROM tasks LEFT JOIN LATERAL (
    SELECT count(DISTINCT executor) AS executors, array_agg(DISTINCT queue ORDER BY queue) AS queues,
           max(executors.seen_at) AS seen_at
    FROM executors, unnest(executors.queues) AS queue WHERE {IS_LIVE} AND tasks.name = ANY(executors.tasks)
) AS live ON true
"""  # noqa: S608
_PAGE = f"{_TASKS} WHERE name > $1 ORDER BY name LIMIT $2"


@router.get(
    "", openapi_extra=operation(Scope.SYSTEM_READ, query=PageQuery), response_model=answers.Page[installation.Task]
)
async def list_tasks(request: Request) -> Response:
    """The tasks that executors have registered, by name, also those that no executor has any more."""
    q = query(request, PageQuery)
    return page(await tasks(dependencies(request), q), q, _view, lambda row: (row["name"],))


async def tasks(deps: Dependencies, q: PageQuery) -> list[Any]:
    """The rows of a page of tasks, and one more if there is a next page."""
    (after,) = decode_cursor(q, str) or ("",)
    async with acquire(deps.pool) as db:
        return list(await db.fetch(_PAGE, after, q.limit + 1))


@router.get("/{task_name:path}", openapi_extra=operation(Scope.SYSTEM_READ), response_model=installation.Task)
async def show_task(task_name: str, request: Request) -> Response:
    """A task, with the JSON Schema of its payload."""
    query(request, NoQuery)
    found = await task(dependencies(request), task_name)
    if found is None:
        raise not_found(f"task {task_name[:200]!r} that an executor has ever registered")
    return reply(found)


async def task(deps: Dependencies, name: str) -> dict[str, Any] | None:
    """The task of this name; None if no executor has ever registered it."""
    async with acquire(deps.pool) as db:
        row = await db.fetchrow(f"{_TASKS} WHERE name = $1", name)
    return None if row is None else _view(row)


def _view(row: Any) -> dict[str, Any]:
    return dict(row)
