"""What can be done with a run: cancel it, run it again, or erase its contents. Each is a page that becomes a dialog."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages.actions import REASON, Action
from duebook_api.console.pages.copies import copies, curl
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import SENT_ALREADY, needs, once, read_form
from duebook_api.erasure.routes import erased_run
from duebook_api.http.path_ids import PathId
from duebook_api.http.requests import validated
from duebook_api.runs.routes import execute, find_run, rerun_of
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.state.dependencies import actor, dependencies
from duebook_common.domain.run.commands import CancelRun
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/runs/{run_id}")


@router.get("/cancel", **needs(Scope.RUNS_WRITE))
async def ask_cancel(request: Request, run_id: PathId) -> Response:
    """The dialog that cancels the run."""
    name, reader = await _name(request, run_id), reader_of(request)
    action = Action(
        title=f"Cancel this run of “{name}”",
        submit="Cancel the run",
        path=f"/console/runs/{run_id}/cancel",
        back=f"/console/runs/{run_id}",
        notes=("If it has not started, it is cancelled at once. A running attempt is asked to stop.",),
        fields=(REASON,),
        is_dangerous=True,
        copies=reader.copies_with_reason(f"/api/run/{run_id}/cancel", "run", "cancel", str(run_id)),
    )
    return await render(request, "action.html", action=action)


@router.post("/cancel", **needs(Scope.RUNS_WRITE))
async def cancel(request: Request, run_id: PathId) -> Response:
    """Cancel the run."""
    deps, form = dependencies(request), await read_form(request)
    reason = validated(ReasonBody, {"reason": form.get("reason", "").strip() or None}).reason
    await execute(deps, run_id, CancelRun(reason, deps.clock.now()), actor(request))
    deps.hints.cancel(run_id)
    return redirect(request, f"/console/runs/{run_id}", "Cancelled; a running attempt is asked to stop.")


@router.get("/rerun", **needs(Scope.RUNS_WRITE))
async def ask_rerun(request: Request, run_id: PathId) -> Response:
    """The dialog that runs it again."""
    name, reader = await _name(request, run_id), reader_of(request)
    action = Action(
        title=f"Run this run of “{name}” again",
        submit="Run again",
        path=f"/console/runs/{run_id}/rerun",
        back=f"/console/runs/{run_id}",
        notes=("A new run starts at once, with the same payload, by the present definition of the job.",),
        fields=(once(),),
        copies=copies(
            curl(reader.api(f"/api/run/{run_id}/rerun"), "POST", needs_key=reader.needs_key),
            ["run", "rerun", str(run_id)],
        ),
    )
    return await render(request, "action.html", action=action)


@router.post("/rerun", **needs(Scope.RUNS_WRITE))
async def rerun(request: Request, run_id: PathId) -> Response:
    """Start the new run, once for each dialog."""
    form = await read_form(request)
    run, is_new = await rerun_of(dependencies(request), run_id, form.get("once") or None, actor(request))
    message = "This is the new run." if is_new else f"{SENT_ALREADY} it started this run."
    return redirect(request, f"/console/runs/{run.id}", message)


@router.get("/erase", **needs(Scope.ERASE))
async def ask_erase(request: Request, run_id: PathId) -> Response:
    """The dialog that erases the run's contents."""
    run, reader = await find_run(dependencies(request), run_id, with_payload=False), reader_of(request)
    archived = ("They leave the archive with the next run of the archiver.",) if "archived" in run else ()
    action = Action(
        title=f"Erase what this run of “{run['job_name']}” held",
        submit="Erase for ever",
        path=f"/console/runs/{run_id}/erase",
        back=f"/console/runs/{run_id}",
        notes=(
            "Its payload, result, errors and log lines, and the recipients of its mails. This cannot be undone.",
            *archived,
            "A payload that is the job's own stays until the job is deleted and erased.",
            "What happened when stays in the history. So does the reason: name no person in it.",
        ),
        fields=(REASON,),
        is_dangerous=True,
        copies=reader.copies_with_reason(f"/api/run/{run_id}/erase", "run", "erase", str(run_id)),
    )
    return await render(request, "action.html", action=action)


@router.post("/erase", **needs(Scope.ERASE))
async def erase(request: Request, run_id: PathId) -> Response:
    """Erase the run's contents."""
    form = await read_form(request)
    reason = validated(ReasonBody, {"reason": form.get("reason", "").strip() or None}).reason
    await erased_run(dependencies(request), run_id, reason, actor(request))
    return redirect(request, f"/console/runs/{run_id}", "Erased.")


async def _name(request: Request, run_id: UUID) -> str:
    run = await find_run(dependencies(request), run_id, with_payload=False)
    return str(run["job_name"])
