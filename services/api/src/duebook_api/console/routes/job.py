"""The page of one job: its ledger, runs, definition and events, and why it runs or does not."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import as_of as slider
from duebook_api.console.pages import job as page
from duebook_api.console.pages.copies import Copies, copies, curl, options
from duebook_api.console.pages.schedules import in_words
from duebook_api.console.reader import Reader, reader_of, time_in_url
from duebook_api.console.rendering import render
from duebook_api.console.requests import filters, needs
from duebook_api.console.routes import job_ledger
from duebook_api.history.definitions import defined_versions
from duebook_api.history.recorded import recorded_events
from duebook_api.history.routes import find_events_of_job, find_runs_of_job
from duebook_api.http.paging import PageQuery
from duebook_api.http.path_ids import PathJobId
from duebook_api.http.problems import Fault, invalid
from duebook_api.jobs.routes import find_job
from duebook_api.schemas import views
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_api.why.queries import why_job
from duebook_common.domain.job.state import Job
from duebook_common.runtime.scopes import Scope

router = APIRouter()
_OWN = ("as_of", "at", "day")
_LAST_RUNS = 6


@router.get("/jobs/{job_id}", **needs(Scope.JOBS_READ))
async def show_job(request: Request, job_id: PathJobId) -> Response:
    """The job, now or as of an earlier instant, in the tab that the URL names."""
    deps, reader = dependencies(request), reader_of(request)
    as_of, at = time_in_url(reader, "as_of"), time_in_url(reader, "at")
    job = await find_job(deps, job_id, as_of)
    view = views.job(job, (await deps.task_schemas()).served)
    tab = request.query_params.get("tab", "")
    tab = tab if tab in dict(page.TABS) and (tab != "runs" or reader.may(Scope.RUNS_READ)) else "ledger"
    explanation = await why_job(deps, job_id, at)
    path = f"/console/jobs/{job_id}"
    return await render(
        request,
        "job.html",
        job=view,
        path=path,
        schedule=in_words(view),
        tab=tab,
        tabs=[
            (name, title, reader.url(path, tab=None if name == "ledger" else name))
            for name, title in page.TABS
            if name != "runs" or reader.may(Scope.RUNS_READ)
        ],
        why=explanation.view,
        as_of=as_of,
        at=at,
        copies=_copies(reader, job_id, tab, as_of, at),
        **await _PARTS[tab](request, deps, reader, job),
    )


def _copies(reader: Reader, job_id: UUID, tab: str, as_of: datetime | None, at: datetime | None) -> Copies:
    """What the tab shows: by another instant if the URL has one."""
    resource, id_ = f"/api/job/{job_id}", str(job_id)
    path, words, given = {
        "runs": (f"{resource}/runs", ["run", "list", "--job", id_], {}),
        "ledger": (f"{resource}/ledger", ["job", "ledger", id_], {}),
        "events": (f"{resource}/events", ["events", "tail", "--job", id_], {}),
    }.get(tab, (resource, ["job", "show", id_], {"as_of": as_of}))
    if tab == "ledger" and at is not None:
        path, words, given = f"{resource}/why", ["job", "why", id_], {"at": at}
    times = {name: time.isoformat() for name, time in given.items() if time is not None}
    request = curl(reader.api(path, None, **times), needs_key=reader.needs_key)
    return copies(request, [*words, *options(times)])


async def _ledger(request: Request, deps: Dependencies, reader: Reader, job: Job) -> dict[str, Any]:
    link = reader.url(f"/console/jobs/{job.id}", tz=reader.times.zone) + "&day="
    chosen = _day(request)
    runs = await _runs(deps, reader, job.id, PageQuery(limit=_LAST_RUNS))
    return {
        "ledger": await job_ledger.year(deps, job, reader.times, link, actor(request).name),
        "day": await job_ledger.day(deps, job, reader.times, chosen) if chosen else None,
        "next_times": await job_ledger.coming_times(deps, job, reader.times.now),
        "runs": runs,
        "late_words": page.late_words,
    }


async def _runs(deps: Dependencies, reader: Reader, job_id: UUID, q: PageQuery) -> dict[str, Any] | None:
    if not reader.may(Scope.RUNS_READ):
        return None
    found = await find_runs_of_job(deps, job_id, q)
    return {"rows": page.run_rows(found["items"], reader.times.now), "next_cursor": found["next_cursor"]}


async def _runs_tab(request: Request, deps: Dependencies, reader: Reader, job: Job) -> dict[str, Any]:
    q = filters(request, PageQuery, f"/api/job/{job.id}/runs", *_OWN)
    return {"runs": await _runs(deps, reader, job.id, q)}


async def _definition(_: Request, deps: Dependencies, reader: Reader, job: Job) -> dict[str, Any]:
    defined = await defined_versions(deps.pool, job.id)
    events = await recorded_events(deps.pool, job.id, slider.MOST)
    return {
        "versions": page.versions(defined, max(job.version, len(defined))),
        "instants": slider.instants(events, time_in_url(reader, "as_of")),
    }


async def _events(request: Request, deps: Dependencies, _: Reader, job: Job) -> dict[str, Any]:
    q = filters(request, PageQuery, f"/api/job/{job.id}/events", *_OWN)
    return {"events": await find_events_of_job(deps, job.id, q)}


_PARTS = {"ledger": _ledger, "runs": _runs_tab, "definition": _definition, "events": _events}


def _day(request: Request) -> date | None:
    text = request.query_params.get("day")
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise invalid(Fault("/day", "write a day like 2026-11-26")) from None
    if day is not None and not 1970 <= day.year <= 2200:
        raise invalid(Fault("/day", "the year must be from 1970 to 2200"))
    return day
