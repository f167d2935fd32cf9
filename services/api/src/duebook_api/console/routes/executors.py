"""The executors, and what each of them is doing."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import executors as page
from duebook_api.console.pages.copies import copies, curl
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import render
from duebook_api.console.requests import filters, needs
from duebook_api.http.problems import not_found
from duebook_api.installation.executors import ExecutorQuery, executor, find_executors
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter()
_LIMIT = 200


@router.get("/executors", **needs(Scope.SYSTEM_READ))
async def list_executors(request: Request) -> Response:
    """The executors of the last day, with their slots and heartbeats."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, ExecutorQuery, "/api/executor")
    if "limit" not in request.query_params:
        q = q.model_copy(update={"limit": _LIMIT})
    found = await find_executors(deps, q)
    is_all = found["next_cursor"] is None and not (q.cursor or q.state or q.queue or q.task)
    return await render(
        request,
        "executors.html",
        q=q,
        view=page.executors_page(found["items"], is_all=is_all),
        next_cursor=found["next_cursor"],
        states=page.STATES,
        copies=reader.copies_of("/api/executor", q, "executor", "list"),
    )


@router.get("/executors/{executor_id}", **needs(Scope.SYSTEM_READ))
async def show_executor(request: Request, executor_id: str) -> Response:
    """One executor, and the runs that it executes."""
    deps, reader = dependencies(request), reader_of(request)
    found = await executor(deps, executor_id)
    if found is None:
        raise not_found(f"executor {executor_id[:100]}")
    url = reader.api(f"/api/executor/{found['id']}")
    return await render(
        request,
        "executor.html",
        executor=page.row(found),
        sentence=page.state_sentence(found),
        runs=page.run_rows(found),
        copies=copies(curl(url, needs_key=reader.needs_key)),
    )
