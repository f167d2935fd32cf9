"""The forecast: what the schedules will do, and what a change set would make of it. All of it stands in the URL."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.large_forecasts import LargeForecasts
from duebook_api.console.pages import forecast as page
from duebook_api.console.pages.copies import copies, curl
from duebook_api.console.reader import Reader, reader_of
from duebook_api.console.rendering import render
from duebook_api.console.requests import filters, needs
from duebook_api.http.fields import JobId
from duebook_api.http.paging import NoQuery, Text, Time
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.http.requests import validated
from duebook_api.http.strict_json import parse
from duebook_api.installation.executors import ExecutorQuery, find_executors
from duebook_api.schedules.forecast import queries
from duebook_api.schedules.forecast.bodies import ForecastBody
from duebook_api.schedules.forecast.forecast import View
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter()
Views = tuple[View, View | None]
LONGEST_CHANGES = 8_000  # characters: proxies and browsers cut longer URLs


class ForecastQuery(NoQuery):
    """The window and the jobs; `changes` is JSON, as in a request to the API."""

    from_: Annotated[Time | None, Field(alias="from")] = None
    days: Literal["1", "7", "31", "92", "366"] = "1"
    status: Literal["active", "paused"] | None = None
    name: Text | None = None
    task: Text | None = None
    queue: Text | None = None
    tag: Text | None = None
    job_id: JobId | None = None
    changes: str | None = None


@router.get("/forecast", **needs(Scope.JOBS_READ))
async def show_forecast(request: Request) -> Response:
    """The runs of a window, with the jobs as they are or with changes that the URL holds."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, ForecastQuery, "/api/schedule/forecast")
    body, view, fault, status, is_due = _request(q, deps), None, "", 200, False
    try:
        views = await _views(request, deps, body, q)
        is_due = views is None
        view = None if views is None else await _page(deps, reader, views)
    except Problem as problem:
        fault, status = problem.detail, problem.status
    url = reader.api("/api/schedule/forecast")
    response = await render(
        request,
        "forecast.html",
        status_code=status,
        q=q,
        view=view,
        fault=fault,
        is_due=is_due,
        spans=page.SPANS,
        example=page.EXAMPLE,
        copies=copies(curl(url, "POST", _with_changes(body, q, strict=False), needs_key=reader.needs_key)),
    )
    if is_due:
        response.headers["Refresh"] = "1"  # also without JavaScript
    return response


def _request(q: ForecastQuery, deps: Dependencies) -> dict[str, Any]:
    """The request to the API without the changes."""
    start = q.from_ or deps.clock.now()
    names = ("status", "name", "task", "queue", "tag", "job_id")
    chosen = {name: value for name in names if (value := getattr(q, name)) is not None}
    end = start + timedelta(days=int(q.days))
    return {"from": start.isoformat(), "to": end.isoformat(), **({"filter": chosen} if chosen else {})}


async def _views(request: Request, deps: Dependencies, body: dict[str, Any], q: ForecastQuery) -> Views | None:
    """The forecast, and with changes also the one without them; None while that of many jobs is being computed."""
    wanted = validated(ForecastBody, _with_changes(body, q))
    compute = partial(_compute, deps, wanted, request.state.client)
    if not await queries.is_large(deps, wanted):
        return await compute()
    forecasts: LargeForecasts = request.app.state.large_forecasts
    found: Views | Problem | None = forecasts.read(
        q.model_dump_json(), request.state.client, partial(_computed, compute)
    )
    if isinstance(found, Problem):
        raise found
    return found


async def _compute(deps: Dependencies, wanted: ForecastBody, client: str) -> Views:
    if wanted.changes is not None:
        return await queries.comparison(deps, wanted, client)
    return await queries.forecast(deps, wanted, client), None


async def _computed(compute: Callable[[], Awaitable[Views]]) -> Views | Problem:
    """A refusal is a result: computing it again would take as long."""
    try:
        return await compute()
    except Problem as problem:
        return problem


async def _page(deps: Dependencies, reader: Reader, views: Views) -> page.ForecastPage:
    slots = None
    if reader.may(Scope.SYSTEM_READ):
        slots = page.slots_by_queue((await find_executors(deps, ExecutorQuery(limit=200)))["items"])
    return page.forecast_page(*views, slots, reader.times)


def _with_changes(body: dict[str, Any], q: ForecastQuery, *, strict: bool = True) -> dict[str, Any]:
    """The request with the changes; raises Problem 422 for a text that is no JSON, unless it is only to be shown."""
    if not q.changes:
        return body
    if strict and len(q.changes) > LONGEST_CHANGES:
        detail = f"a URL holds {LONGEST_CHANGES:,} characters of changes; send more to POST /api/schedule/forecast"
        raise invalid(Fault("/changes", detail))
    try:
        return body | {"changes": parse(q.changes.encode())}
    except Problem as problem:
        if not strict:
            return body
        raise invalid(Fault("/changes", problem.detail)) from None
