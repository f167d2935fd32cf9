"""What the form of a job would do to all jobs, while it is filled in."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import fleet as page
from duebook_api.console.pages.job_fields import body_of, changes
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import render
from duebook_api.console.requests import needs, read_form
from duebook_api.console.routes.forecast import LONGEST_CHANGES
from duebook_api.http.path_ids import PathJobId
from duebook_api.http.problems import Problem
from duebook_api.http.requests import validated
from duebook_api.jobs.routes import find_job
from duebook_api.schedules.forecast.bodies import ForecastBody
from duebook_api.schedules.forecast.queries import comparison
from duebook_api.schemas import views
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter()
NO_EFFECT: dict[str, Any] = {"sentences": [], "link": "", "fault": ""}


@router.post("/new-job/fleet", **needs(Scope.JOBS_READ))
async def show_effect_of_new_job(request: Request) -> Response:
    """The part of the page for a new job."""
    form = await read_form(request)
    return await render(request, "fleet.html", fleet=await effect_of(request, form, None))


@router.post("/jobs/{job_id}/edit/fleet", **needs(Scope.JOBS_READ))
async def show_effect_of_edit(request: Request, job_id: PathJobId) -> Response:
    """The part of the page for a change."""
    form = await read_form(request)
    return await render(request, "fleet.html", fleet=await effect_of(request, form, str(job_id)))


async def effect_of(request: Request, form: Mapping[str, str], job_id: str | None) -> dict[str, Any]:
    """The sentences, or why there are none; a schedule that is wrong is reported by its preview."""
    try:
        changes_ = await _change_set(request, form, job_id)
    except Problem:
        return NO_EFFECT
    if not changes_:
        return NO_EFFECT | {"sentences": ["The change leaves all times as they are."]}
    try:
        return await _effect(request, changes_)
    except Problem as problem:
        return NO_EFFECT | {"fault": "; ".join(each.message for each in problem.faults) or problem.detail}


async def _change_set(request: Request, form: Mapping[str, str], job_id: str | None) -> list[dict[str, Any]]:
    others = {name: text for name, text in form.items() if not name.startswith("payload")}
    body = body_of(others)
    if job_id is None:
        return page.change_set(body, None, {})
    job = views.job(await find_job(dependencies(request), UUID(job_id)), {})
    return page.change_set(body, job_id, changes(body, job))


async def _effect(request: Request, changes_: list[dict[str, Any]]) -> dict[str, Any]:
    deps, reader = dependencies(request), reader_of(request)
    now = deps.clock.now()
    window = {"from": now.isoformat(), "to": (now + timedelta(days=page.DAYS)).isoformat()}
    body = validated(ForecastBody, window | {"changes": changes_})
    after, before = await comparison(deps, body, request.state.client)
    text = orjson.dumps(changes_).decode()
    link = reader.url("/console/forecast", days=page.DAYS, changes=text) if len(text) <= LONGEST_CHANGES else ""
    return NO_EFFECT | {"sentences": page.effect(after, before, reader.times), "link": link}
