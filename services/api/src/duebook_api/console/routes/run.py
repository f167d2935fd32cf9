"""The page of one run, and its payload and result as files."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.guard import config
from duebook_api.console.pages import run as page
from duebook_api.console.pages.as_of import instants
from duebook_api.console.pages.attempts import RunEvent, run_events
from duebook_api.console.pages.copies import copies, curl, options
from duebook_api.console.reader import Reader, reader_of, time_in_url
from duebook_api.console.rendering import render
from duebook_api.console.requests import needs
from duebook_api.history.job_logs import LogQuery, find_job_logs
from duebook_api.history.routes import find_events_of_run
from duebook_api.http.paging import PageQuery
from duebook_api.http.path_ids import PathId
from duebook_api.http.problems import Problem
from duebook_api.http.replies import dumps
from duebook_api.jobs.routes import find_job
from duebook_api.runs.routes import find_run, find_runs
from duebook_api.runs.run_list import RunQuery
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_api.why.queries import why_run
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/runs/{run_id}")
_PAGES_OF_EVENTS, _LINES, _RERUNS = 5, 200, 20


@router.get("", **needs(Scope.RUNS_READ))
async def show_run(request: Request, run_id: PathId) -> Response:
    """The run, now or as of an earlier instant."""
    deps, reader = dependencies(request), reader_of(request)
    as_of = time_in_url(reader, "as_of")
    with_payload = reader.may(Scope.PAYLOADS_READ)
    run = await find_run(deps, run_id, as_of, with_payload=with_payload)
    recorded = [] if "archived" in run else await _events(deps, run_id)
    events = [event for event in recorded if as_of is None or event.recorded_at <= as_of]
    why = (await why_run(deps, run_id)).view if as_of is None else None
    times = reader.times.at(as_of) if as_of else reader.times
    time = {"as_of": as_of.isoformat()} if as_of else {}
    view = page.run_page(run, events, times, await _zone(deps, run["job_id"]))
    return await render(
        request,
        "run.html",
        view=view,
        trace_url=config(request).trace_of(view.trace),
        why=why,
        as_of=as_of,
        instants=instants(recorded, as_of),
        shows_payload=with_payload,
        lines=await _lines(deps, reader, run_id) if as_of is None and "archived" not in run else None,
        most_lines=_LINES,
        reruns=(await find_runs(deps, RunQuery(cause=str(run_id), limit=_RERUNS)))["items"],
        copies=copies(
            curl(reader.api(f"/api/run/{run_id}", None, **time), needs_key=reader.needs_key),
            ["run", "show", str(run_id), *options(time)],
        ),
    )


async def _events(deps: Dependencies, run_id: UUID) -> list[RunEvent]:
    """The run's events, at most a thousand."""
    found: list[RunEvent] = []
    q = PageQuery(limit=200)
    for _ in range(_PAGES_OF_EVENTS):
        answer = await find_events_of_run(deps, run_id, q, with_payload=False)
        found += run_events(answer["items"])
        if answer["next_cursor"] is None:
            break
        q = PageQuery(limit=200, cursor=answer["next_cursor"])
    return found


async def _zone(deps: Dependencies, job_id: UUID) -> str | None:
    try:
        return (await find_job(deps, job_id)).definition.timezone
    except Problem:
        return None


async def _lines(deps: Dependencies, reader: Reader, run_id: UUID) -> list[Any] | None:
    """The last lines that the task has logged; None for a key that may not read them."""
    if not (reader.may(Scope.LOGS_READ) and reader.may(Scope.PAYLOADS_READ)):
        return None
    found = await find_job_logs(deps, LogQuery(run_id=str(run_id), status="log", limit=_LINES))
    return page.log_lines(found["items"])


@router.get("/payload", **needs(Scope.PAYLOADS_READ))
async def download_payload(request: Request, run_id: PathId) -> Response:
    """The payload as a file, however large."""
    run = await find_run(dependencies(request), run_id, with_payload=True)
    return _file(run["payload"], f"payload-{run_id}.json")


@router.get("/result", **needs(Scope.PAYLOADS_READ))
async def download_result(request: Request, run_id: PathId) -> Response:
    """The result as a file."""
    run = await find_run(dependencies(request), run_id, with_payload=False)
    return _file(run["result"], f"result-{run_id}.json")


def _file(value: Any, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(dumps(value), headers=headers | {"Cache-Control": "no-store"}, media_type="application/json")
