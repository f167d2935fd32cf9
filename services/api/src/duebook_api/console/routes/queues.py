"""The queues, their pauses, and the freeze of the whole installation."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import queues as page
from duebook_api.console.pages.actions import REASON, Action
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import filters, needs, read_form
from duebook_api.http.paging import PageQuery
from duebook_api.http.requests import validated
from duebook_api.queues.queue_list import command_installation, command_queue, current_pauses, find_queues, queue
from duebook_api.queues.queue_list import freeze_of as freeze_in
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.domain.queue.decide import PauseQueue, QueueCommand, ResumeQueue
from duebook_common.domain.statistics import MINUTE, Dimension, floor
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import acquire
from duebook_common.store.statistics_queries import StatisticsRange, read_starts

router = APIRouter()
_LIMIT = 200
_BACK = "/console/queues"


@router.get("/queues", **needs(Scope.QUEUES_READ))
async def list_queues(request: Request) -> Response:
    """What waits in each queue and since when, who serves it, and whether it is paused."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, PageQuery, "/api/queue")
    if "limit" not in request.query_params:
        q = q.model_copy(update={"limit": _LIMIT})
    found = await find_queues(deps, q)
    starts = await _starts(deps, [each["name"] for each in found["items"]]) if reader.may(Scope.SYSTEM_READ) else None
    return await render(
        request,
        "queues.html",
        view=page.queues_page(found["items"], found["freeze"], starts, reader.times),
        shows_rates=starts is not None,
        next_cursor=found["next_cursor"],
        copies=reader.copies_of("/api/queue", q, "queue", "list"),
    )


async def _starts(deps: Dependencies, names: Sequence[str]) -> page.Starts:
    now = deps.clock.now()
    last_hour = StatisticsRange(floor(now - page.HOUR, MINUTE), now, MINUTE, MINUTE, Dimension.QUEUE)
    async with acquire(deps.pool) as db:
        return page.starts_of(await read_starts(db, last_hour, names), now)


@router.get("/queues/{queue_name}/pause", **needs(Scope.QUEUES_WRITE))
async def ask_pause(request: Request, queue_name: str) -> Response:
    reader, found = reader_of(request), await queue(dependencies(request), queue_name)
    name = found["name"]
    action = Action(
        title=f"Pause the queue “{name}”",
        submit="Pause",
        path=f"{_BACK}/{name}/pause",
        back=_BACK,
        notes=(
            "None of its runs is sent or started until the resume; attempts that are running go on.",
            "What falls due stays due, and is worked off in order after the resume.",
        ),
        fields=(REASON,),
        copies=reader.copies_with_reason(f"/api/queue/{name}/pause", "queue", "pause", name),
    )
    return await render(request, "action.html", action=action)


@router.get("/queues/{queue_name}/resume", **needs(Scope.QUEUES_WRITE))
async def ask_resume(request: Request, queue_name: str) -> Response:
    reader, found = reader_of(request), await queue(dependencies(request), queue_name)
    name = found["name"]
    action = Action(
        title=f"Resume the queue “{name}”",
        submit="Resume",
        path=f"{_BACK}/{name}/resume",
        back=_BACK,
        notes=("All that waited is due at once, in order.",),
        fields=(REASON,),
        copies=reader.copies_with_reason(f"/api/queue/{name}/resume", "queue", "resume", name),
    )
    return await render(request, "action.html", action=action)


@router.get("/freeze", **needs(Scope.QUEUES_WRITE))
async def ask_freeze(request: Request) -> Response:
    action = Action(
        title="Freeze the installation",
        submit="Freeze everything",
        path="/console/freeze",
        back=_BACK,
        notes=(
            "It is like a pause of every queue: no run is sent or started until the thaw.",
            "Attempts that are running go on. What falls due stays due.",
        ),
        fields=(REASON,),
        is_dangerous=True,
        copies=reader_of(request).copies_with_reason("/api/freeze", "freeze"),
    )
    return await render(request, "action.html", action=action)


@router.get("/thaw", **needs(Scope.QUEUES_WRITE))
async def ask_thaw(request: Request) -> Response:
    frozen = freeze_in(await current_pauses(dependencies(request)))
    notes = ("All that waited is due at once, in order.", "Queues that were paused by themselves stay paused.")
    action = Action(
        title="Thaw the installation",
        submit="Thaw",
        path="/console/thaw",
        back=_BACK,
        notes=notes if frozen else ("It is not frozen now.",),
        fields=(REASON,),
        copies=reader_of(request).copies_with_reason("/api/thaw", "thaw"),
    )
    return await render(request, "action.html", action=action)


@router.post("/queues/{queue_name}/pause", **needs(Scope.QUEUES_WRITE))
async def pause(request: Request, queue_name: str) -> Response:
    return await _command(request, queue_name, PauseQueue(await _reason(request)), "is paused")


@router.post("/queues/{queue_name}/resume", **needs(Scope.QUEUES_WRITE))
async def resume(request: Request, queue_name: str) -> Response:
    return await _command(request, queue_name, ResumeQueue(await _reason(request)), "goes on")


async def _command(request: Request, name: str, command: QueueCommand, result: str) -> Response:
    found = await command_queue(dependencies(request), name, command, actor(request))
    return redirect(request, _BACK, f"The queue {found['name']} {result}.")


@router.post("/freeze", **needs(Scope.QUEUES_WRITE))
async def freeze(request: Request) -> Response:
    await command_installation(dependencies(request), PauseQueue(await _reason(request)), actor(request))
    return redirect(request, _BACK, "The installation is frozen.")


@router.post("/thaw", **needs(Scope.QUEUES_WRITE))
async def thaw(request: Request) -> Response:
    await command_installation(dependencies(request), ResumeQueue(await _reason(request)), actor(request))
    return redirect(request, _BACK, "The installation is thawed.")


async def _reason(request: Request) -> str | None:
    return validated(ReasonBody, {"reason": (await read_form(request)).get("reason") or None}).reason
