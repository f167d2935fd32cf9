"""The list of runs."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import runs as page
from duebook_api.console.pages.local_times import field_values, with_offsets
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import filters, needs
from duebook_api.runs.routes import find_runs
from duebook_api.runs.run_list import RunQuery
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter()


@router.get("/runs", **needs(Scope.RUNS_READ))
async def list_runs(request: Request) -> Response:
    """The runs that match the filter in the URL."""
    reader = reader_of(request)
    if (query := with_offsets(reader.query, page.TIMES, reader.times)) is not None:
        return redirect(request, reader.path_to("/console/runs", **query))
    q = filters(request, RunQuery, "/api/run")
    found = await find_runs(dependencies(request), q)
    return await render(
        request,
        "runs.html",
        q=q,
        view=page.runs_page(found["items"], q, reader.times, is_all=not (q.cursor or found["next_cursor"])),
        field_times=field_values({name: getattr(q, name) for name in page.TIMES}, reader.times),
        next_cursor=found["next_cursor"],
        page=page,
        copies=reader.copies_of("/api/run", q, "run", "list"),
    )
