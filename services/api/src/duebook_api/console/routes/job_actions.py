"""What can be done with a job: run, pause, resume, backfill, delete, erase. Each is a page that becomes a dialog."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import backfill as backfill_page
from duebook_api.console.pages.actions import REASON, Action, Field
from duebook_api.console.pages.copies import Copies, copies, curl
from duebook_api.console.pages.payload_form import parse_text
from duebook_api.console.reader import Reader, reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import SENT_ALREADY, needs, once, once_key, read_form
from duebook_api.erasure.routes import erased_job
from duebook_api.http.path_ids import PathJobId
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.http.requests import in_thread, must_fit, validated
from duebook_api.jobs import commands
from duebook_api.jobs.preconditions import Preconditions
from duebook_api.jobs.requests import DeleteRequest
from duebook_api.jobs.routes import find_job
from duebook_api.ledger.backfill import backfill
from duebook_api.ledger.backfill import plan as planned
from duebook_api.schemas.bodies import BackfillBody, PauseBody, ReasonBody, TriggerBody
from duebook_api.state.dependencies import actor, dependencies
from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.commands import PauseJob, ResumeJob
from duebook_common.domain.job.state import Job
from duebook_common.runtime.phrases import quantity
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/jobs/{job_id}")


def _pause(job: Job, reader: Reader) -> Action:
    hold = Field("hold", "Hold its runs, too", "check", hint="What has not started waits until the resume, uncharged.")
    return Action(
        title=f"Pause “{job.definition.name}”",
        submit="Pause",
        path=f"/console/jobs/{job.id}/pause",
        back=f"/console/jobs/{job.id}",
        notes=("Its occurrences are skipped until it is resumed. Runs under way and their retries go on.",),
        fields=(REASON, hold),
        copies=_copies(job, reader, "pause", {"reason": "…"}, "--reason", "…"),
    )


def _resume(job: Job, reader: Reader) -> Action:
    return Action(
        title=f"Resume “{job.definition.name}”",
        submit="Resume",
        path=f"/console/jobs/{job.id}/resume",
        back=f"/console/jobs/{job.id}",
        notes=(
            "It goes on with its next occurrence. Those of the pause stay skipped.",
            "A backfill can make up for them.",
        ),
        fields=(REASON,),
        copies=_copies(job, reader, "resume", {"reason": "…"}, "--reason", "…"),
    )


def _trigger(job: Job, reader: Reader) -> Action:
    fields = (
        Field(
            "overlap",
            "While another run is active",
            "select",
            Overlap.ALLOW_ALL,
            options=tuple((each.value, each.value.replace("_", " ")) for each in Overlap),
            required=True,
        ),
        Field("payload", "Payload (JSON)", "area", hint="Empty: the payload of the job."),
        once(),
    )
    return Action(
        title=f"Run “{job.definition.name}” now",
        submit="Run now",
        path=f"/console/jobs/{job.id}/trigger",
        back=f"/console/jobs/{job.id}",
        notes=("One run starts at once, beside the schedule and also while the job is paused.",),
        fields=fields,
        copies=_copies(job, reader, "trigger", {}),
    )


def _backfill(job: Job, reader: Reader) -> Action:
    return backfill_page.dialog(job, reader.times, {}, _copies_of_backfill(job, reader))


def _copies_of_backfill(job: Job, reader: Reader) -> Copies:
    return _copies(job, reader, "backfill", {"from": "…", "to": "…"}, "--from", "…", "--to", "…")


def _delete(job: Job, reader: Reader) -> Action:
    url = reader.api(f"/api/job/{job.id}")
    return Action(
        title=f"Delete “{job.definition.name}”",
        submit="Delete",
        path=f"/console/jobs/{job.id}/delete",
        back=f"/console/jobs/{job.id}",
        notes=(
            "No further run or attempt starts; a running attempt may finish. This cannot be undone.",
            "Its history stays readable.",
        ),
        is_dangerous=True,
        copies=copies(curl(url, "DELETE", needs_key=reader.needs_key), ["job", "delete", str(job.id)]),
    )


def _erase(job: Job, reader: Reader) -> Action:
    return Action(
        title=f"Erase what “{job.definition.name}” and its runs held",
        submit="Erase for ever",
        path=f"/console/jobs/{job.id}/erase",
        back=f"/console/jobs/{job.id}",
        notes=(
            "Payloads, metadata, results, errors and log lines, and the recipients of mails. This cannot be undone.",
            "What happened when stays in the history. So does the reason: name no person in it.",
        ),
        fields=(REASON,),
        is_dangerous=True,
        copies=_copies(job, reader, "erase", {"reason": "…"}, "--reason", "…"),
    )


def _copies(job: Job, reader: Reader, name: str, body: Any, *options: str) -> list[tuple[str, str]]:
    request = curl(reader.api(f"/api/job/{job.id}/{name}"), "POST", body, needs_key=reader.needs_key)
    return copies(request, ["job", name, str(job.id), *options])


def _ask(name: str, scope: Scope, action: Callable[[Job, Reader], Action]) -> None:
    """Serve the page on which a reader confirms what he is about to do with the job."""

    @router.get(f"/{name}", **needs(scope))
    async def ask(request: Request, job_id: PathJobId) -> Response:
        job = await find_job(dependencies(request), job_id)
        return await render(request, "action.html", action=action(job, reader_of(request)))


_ask("pause", Scope.JOBS_WRITE, _pause)
_ask("resume", Scope.JOBS_WRITE, _resume)
_ask("delete", Scope.JOBS_WRITE, _delete)
_ask("erase", Scope.ERASE, _erase)
_ask("trigger", Scope.RUNS_WRITE, _trigger)
_ask("backfill", Scope.RUNS_WRITE, _backfill)


@router.post("/pause", **needs(Scope.JOBS_WRITE))
async def pause(request: Request, job_id: PathJobId) -> Response:
    deps, form = dependencies(request), await read_form(request)
    body = validated(PauseBody, {"reason": form.get("reason") or None, "hold": "hold" in form})
    await commands.handle(deps, job_id, PauseJob(body.reason, deps.context(), body.hold), actor(request))
    return redirect(request, f"/console/jobs/{job_id}", "Paused.")


@router.post("/resume", **needs(Scope.JOBS_WRITE))
async def resume(request: Request, job_id: PathJobId) -> Response:
    deps, form = dependencies(request), await read_form(request)
    body = validated(ReasonBody, {"reason": form.get("reason") or None})
    await commands.handle(deps, job_id, ResumeJob(body.reason, deps.clock.now()), actor(request))
    return redirect(request, f"/console/jobs/{job_id}", "Resumed.")


@router.post("/delete", **needs(Scope.JOBS_WRITE))
async def delete(request: Request, job_id: PathJobId) -> Response:
    deps = dependencies(request)
    await commands.handle(deps, job_id, DeleteRequest(deps.clock.now(), Preconditions()), actor(request))
    return redirect(request, "/console/jobs", "Deleted.")


@router.post("/erase", **needs(Scope.ERASE))
async def erase(request: Request, job_id: PathJobId) -> Response:
    form = await read_form(request)
    body = validated(ReasonBody, {"reason": form.get("reason") or None})
    await erased_job(dependencies(request), job_id, body.reason, actor(request))
    return redirect(request, f"/console/jobs/{job_id}", "Erased; its runs follow.")


@router.post("/trigger", **needs(Scope.RUNS_WRITE))
async def trigger(request: Request, job_id: PathJobId) -> Response:
    form = await read_form(request)
    value: dict[str, Any] = {"overlap": form.get("overlap", Overlap.ALLOW_ALL)}
    if form.get("payload", "").strip():
        value["payload"] = await in_thread(parse_text, form["payload"])
    body = validated(TriggerBody, value)
    must_fit(body.payload)
    key = once_key(form, value)
    overlap = Overlap(body.overlap)
    run, is_new = await commands.trigger(dependencies(request), job_id, value, overlap, key, actor(request))
    repeated = f"{SENT_ALREADY} it started the run {run.id}. Open it anew for another run."
    message = f"The run {run.id} is on its way." if is_new else repeated
    return redirect(request, f"/console/jobs/{job_id}?tab=runs", message)


@router.post("/backfill", **needs(Scope.RUNS_WRITE))
async def make_backfill(request: Request, job_id: PathJobId) -> Response:
    """Make the runs, if this range was checked and there are some to make; else check it."""
    deps, reader, form = dependencies(request), reader_of(request), await read_form(request)
    job = await find_job(deps, job_id)
    plan, fault, status = None, "", 200
    try:
        body = _range(form, reader.times.info(job.definition.timezone))
        if form.get(backfill_page.CHECKED) == backfill_page.range_text(form):
            runs = await backfill(deps, job_id, body, actor(request))
            message = f"{quantity(len(runs), 'run')} make up for times that had none."
            return redirect(request, f"/console/jobs/{job_id}?tab=runs", message)
        plan = await planned(deps, job_id, body)
    except Problem as problem:
        fault, status = "; ".join(each.message for each in problem.faults) or problem.detail, problem.status
    action = backfill_page.dialog(job, reader.times, form, _copies_of_backfill(job, reader), plan, fault)
    return await render(request, "action.html", status_code=status, action=action)


def _range(form: dict[str, str], zone: ZoneInfo) -> BackfillBody:
    times = {name: _local(form.get(name, ""), f"/{name}").replace(tzinfo=zone).isoformat() for name in ("from", "to")}
    return validated(BackfillBody, times)


def _local(text: str, pointer: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise invalid(Fault(pointer, "write a time like 2026-11-26T02:00")) from None
