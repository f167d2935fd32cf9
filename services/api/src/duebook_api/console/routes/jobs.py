"""The list of jobs, and the search of the bar."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.bulk.operations import scopes_of
from duebook_api.console.pages import jobs as page
from duebook_api.console.pages.svg.ticks import MOST
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import filters, needs
from duebook_api.history.last_runs import last_runs
from duebook_api.http.problems import Problem
from duebook_api.jobs.job_list import JobQuery
from duebook_api.jobs.routes import find_job, find_jobs
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter()


@router.get("/jobs", **needs(Scope.JOBS_READ))
async def list_jobs(request: Request) -> Response:
    """The jobs, newest first, with their last outcomes and next times."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, JobQuery, "/api/job")
    found = await find_jobs(deps, q)
    runs = {}
    if reader.may(Scope.RUNS_READ):
        runs = await last_runs(deps.pool, [job["id"] for job in found["items"]], MOST)
    return await render(
        request,
        "jobs.html",
        q=q,
        rows=page.job_rows(found["items"], runs, reader.times),
        next_cursor=found["next_cursor"],
        statuses=page.STATUSES,
        bulk=[(action, link) for action, link in page.bulk_links(q) if reader.may(scopes_of(action)[1])],
        copies=reader.copies_of("/api/job", q, "job", "list"),
    )


@router.get("/search", **needs(Scope.JOBS_READ))
async def search(request: Request) -> Response:
    """Where a text of the search leads: an id to its run or job, any other text to the jobs whose names contain it.

    If there are none, it leads to the runs whose error does. Among more jobs than a search of one page looks at, it
    leads to the jobs, where the search goes on.
    """
    text = request.query_params.get("q", "").strip()[:200]
    try:
        id_ = UUID(text)
    except ValueError:
        return redirect(request, reader_of(request).path_to(await _list_of(request, text), q=text or None))
    return redirect(request, await _page_of(request, id_))


async def _list_of(request: Request, text: str) -> str:
    if not text or not reader_of(request).may(Scope.RUNS_READ):
        return "/console/jobs"
    found = await find_jobs(dependencies(request), JobQuery(q=text, limit=1))
    return "/console/jobs" if found["items"] or found["next_cursor"] else "/console/runs"


async def _page_of(request: Request, id_: UUID) -> str:
    try:
        await find_job(dependencies(request), id_)
    except Problem:
        return f"/console/runs/{id_}"
    return f"/console/jobs/{id_}"
