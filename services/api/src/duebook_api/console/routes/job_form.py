"""Make a job, or change it, with a preview of its schedule."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import job_form as words
from duebook_api.console.pages.copies import Copies
from duebook_api.console.pages.job_copies import job_copies
from duebook_api.console.pages.job_fields import (
    OUTCOMES,
    RUN_ENDS,
    body_of,
    changes,
    given_of,
    schedule_of,
    values_of,
    whole,
)
from duebook_api.console.pages.job_form import JobForm, faults_of, new_values
from duebook_api.console.pages.payload_form import TASK, PayloadForm, sent_form
from duebook_api.console.reader import readable_schemas, reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import ONCE, SENT_ALREADY, needs, once, once_key, read_form
from duebook_api.console.routes.fleet import NO_EFFECT, effect_of
from duebook_api.http.path_ids import PathJobId
from duebook_api.http.problems import Problem
from duebook_api.http.requests import in_thread, must_fit, validated
from duebook_api.jobs import commands
from duebook_api.jobs.preconditions import Preconditions
from duebook_api.jobs.requests import IdempotentRequest
from duebook_api.jobs.routes import find_job
from duebook_api.schedules.routes import find_preview
from duebook_api.schemas import views
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.schedules import PreviewBody
from duebook_api.state.dependencies import actor, dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter()


@router.get("/new-job", **needs(Scope.JOBS_WRITE))
async def show_new_job(request: Request) -> Response:
    """An empty form."""
    return await _page(request, JobForm(new_values(reader_of(request).times.info().key)))


@router.post("/new-job", **needs(Scope.JOBS_WRITE))
async def make_job(request: Request) -> Response:
    """Create the job, as `POST /api/job` does."""
    form, deps = await read_form(request), dependencies(request)
    if "preview" in form:
        return await _page(request, JobForm(form))
    try:
        given = given_of(await _body(request, form))
        body, key = validated(JobBody, given), once_key(form, given)
        must_fit(body.payload, body.metadata)
        repeatable = IdempotentRequest("job", key, given) if key is not None else None
        [job], is_new = await commands.create(deps, [body], actor(request), repeatable, "")
    except Problem as problem:
        return await _page(request, JobForm(form, None, faults_of(problem, form)), problem.status)
    return redirect(request, f"/console/jobs/{job.id}", "Created." if is_new else f"{SENT_ALREADY} it made this job.")


@router.get("/jobs/{job_id}/edit", **needs(Scope.JOBS_WRITE))
async def show_edit_job(request: Request, job_id: PathJobId) -> Response:
    """The form with the job's fields, which the key must be allowed to read as well."""
    if not reader_of(request).may(Scope.JOBS_READ):
        raise Problem(403, "scope_missing", f"this needs a key with the scope {Scope.JOBS_READ}, too")
    return await _page(request, JobForm(values_of(await _view(request, job_id)), str(job_id)))


@router.post("/jobs/{job_id}/edit", **needs(Scope.JOBS_WRITE))
async def edit_job(request: Request, job_id: PathJobId) -> Response:
    """Change the fields that differ, as `PATCH /api/job/{id}` does; another change meanwhile is not overwritten."""
    form, deps = await read_form(request), dependencies(request)
    if "preview" in form:
        return await _page(request, JobForm(form, str(job_id)))
    try:
        patch = changes(await _body(request, form), await _view(request, job_id))
        match = Preconditions(if_match=f'"{form["version"]}"' if form.get("version") else None)
        await commands.patch(deps, job_id, patch, actor(request), match, whole=whole(patch))
    except Problem as problem:
        return await _page(request, JobForm(form, str(job_id), faults_of(problem, form)), problem.status)
    return redirect(request, f"/console/jobs/{job_id}", "Changed.")


@router.post("/new-job/copies", **needs(Scope.JOBS_WRITE))
async def show_copies_of_new_job(request: Request) -> Response:
    """What the form would send, as it is filled in."""
    form = JobForm(await read_form(request))
    return await render(request, "job_form_copies.html", path=_path(form), copies=await _copies(request, form))


@router.post("/jobs/{job_id}/edit/copies", **needs(Scope.JOBS_WRITE))
async def show_copies_of_edit(request: Request, job_id: PathJobId) -> Response:
    """The change that the form would send, as it is filled in."""
    form = JobForm(await read_form(request), str(job_id))
    return await render(request, "job_form_copies.html", path=_path(form), copies=await _copies(request, form))


@router.post("/preview", **needs(Scope.JOBS_READ))
async def show_preview(request: Request) -> Response:
    """The next times of the schedule in the form, for the part of the page beside it."""
    form = await read_form(request)
    return await render(request, "schedule_preview.html", preview=await _preview(request, form))


@router.post("/payload", **needs(Scope.JOBS_WRITE))
async def show_payload(request: Request) -> Response:
    """The fields of the payload for the JSON that is typed, and the JSON for the fields."""
    form = await read_form(request)
    return await render(request, "payload_editor.html", payload=await _payload(request, form))


async def _payload(request: Request, form: Mapping[str, str]) -> PayloadForm:
    return await in_thread(sent_form, form, form.get("task", ""), await readable_schemas(request))


async def _body(request: Request, form: Mapping[str, str]) -> dict[str, Any]:
    return await in_thread(body_of, form, (await readable_schemas(request)).get(form.get(TASK, "")))


async def _view(request: Request, job_id: UUID) -> views.View:
    deps = dependencies(request)
    return views.job(await find_job(deps, job_id), (await deps.task_schemas()).served)


async def _preview(request: Request, form: Mapping[str, str]) -> dict[str, Any]:
    """The preview, or why there is none."""
    try:
        preview = await find_preview(dependencies(request), validated(PreviewBody, schedule_of(form)))
    except Problem as problem:
        return {"fault": "; ".join(fault.message for fault in problem.faults) or problem.detail}
    return {"fault": "", "timezone": form.get("timezone") or "UTC", **preview}


async def _page(request: Request, form: JobForm, status: int = 200) -> Response:
    version = (await _view(request, UUID(form.job_id)))["version"] if form.job_id else ""
    return await render(
        request,
        "job_form.html",
        status_code=status,
        form=form,
        path=_path(form),
        back=f"/console/jobs/{form.job_id}" if form.job_id else "/console/jobs",
        version=form.value("version") or version,
        once=form.value(ONCE) or once().value,
        words=words,
        outcomes=OUTCOMES,
        run_ends=RUN_ENDS,
        payload=await _payload(request, form.values),
        preview=await _preview(request, form.values),
        fleet=await effect_of(request, form.values, form.job_id) if "preview" in form.values else NO_EFFECT,
        copies=await _copies(request, form),
    )


def _path(form: JobForm) -> str:
    return f"/console/jobs/{form.job_id}/edit" if form.job_id else "/console/new-job"


async def _copies(request: Request, form: JobForm) -> Copies:
    """What the form would send; a form that no body can say sends its name."""
    reader = reader_of(request)
    try:
        body = await _body(request, form.values)
        body = changes(body, await _view(request, UUID(form.job_id))) if form.job_id else given_of(body)
    except Problem:
        body = {"name": form.value("name")}
    url = reader.api(f"/api/job/{form.job_id}" if form.job_id else "/api/job")
    return job_copies(url, body, form.job_id, needs_key=reader.needs_key)
