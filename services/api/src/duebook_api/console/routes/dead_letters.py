"""Dead letters by cause, and the workbench on which one is mended, tried and discarded."""

from asyncio import gather
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.bulk import operations
from duebook_api.bulk.operations import BulkQuery
from duebook_api.console.pages import dead_letters as page
from duebook_api.console.pages.actions import Action, Field
from duebook_api.console.pages.bulk import BulkView, bulk_view, used_filters
from duebook_api.console.pages.copies import Copies
from duebook_api.console.pages.json_text import json_text, plain
from duebook_api.console.pages.local_times import field_values, with_offsets
from duebook_api.console.pages.payload_form import TASK, merged, sent_form
from duebook_api.console.reader import Reader, readable_schemas, reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import filters, needs, read_form
from duebook_api.http.path_ids import PathId
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.http.requests import in_thread, must_fit, validated
from duebook_api.runs.dead_letter_times import times_of_death
from duebook_api.runs.dead_letters import DeadLetterQuery, find_dead_letter, find_dead_letters, find_groups
from duebook_api.runs.redrive import redrive
from duebook_api.runs.routes import execute
from duebook_api.schemas.bodies import MustReasonBody, RedriveBody
from duebook_api.schemas.bulk import view
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.run.commands import DiscardRun
from duebook_common.runtime.scopes import Scope
from duebook_common.store.bulk_rows import of_record

router = APIRouter(prefix="/dead-letters")
_RUNS, _RUNNING = 20, 5


@router.get("", **needs(Scope.DEAD_LETTERS_READ))
async def list_causes(request: Request) -> Response:
    """The causes; of the chosen one its runs; of the chosen run the workbench."""
    deps, reader = dependencies(request), reader_of(request)
    if (query := with_offsets(reader.query, page.TIMES, reader.times)) is not None:
        return redirect(request, reader.path_to(page.PATH, **query))
    q = filters(request, DeadLetterQuery, "/api/dead-letter/groups", "group", "run")
    groups = await find_groups(deps, q)
    dead = await _chosen_run(deps, request.query_params.get("run"))
    group = dead["fingerprint"] if dead else _group(request, groups["items"])
    newest, deaths, redrives = await gather(  # with thousands of causes each takes long
        _newest(deps, q, group), _deaths(deps, reader, groups["items"]), _redrives(deps, reader, group)
    )
    dead = dead or (newest[0] if newest else None)
    used = used_filters(q)
    more = groups["next_cursor"] is not None
    return await render(
        request,
        "dead_letters.html",
        q=q,
        view=page.dead_letters_page(groups["items"], deaths, group, used, reader.times, more=more),
        rows=page.dead_rows(newest, dead["id"] if dead else None),
        next_cursor=groups["next_cursor"],
        field_times=field_values({name: getattr(q, name) for name in page.TIMES}, reader.times),
        bench=await _bench(request, dead) if dead else None,
        gone=request.query_params.get("run") if dead is None or _is_gone(request, dead) else None,
        redrives=redrives,
        copies=reader.copies_of("/api/dead-letter/groups", q, "dead-letter", "groups"),
    )


async def _chosen_run(deps: Dependencies, text: str | None) -> Any:
    """The run of the URL; None if it rests no more, or the text names no run."""
    try:
        return await find_dead_letter(deps, UUID(text)) if text else None
    except (ValueError, Problem):
        return None


def _is_gone(request: Request, dead: Any) -> bool:
    wanted = request.query_params.get("run")
    return bool(wanted) and wanted != str(dead["id"])


def _group(request: Request, groups: list[Any]) -> str | None:
    """The fingerprint of the URL if the list has it, else the most frequent one."""
    known = [group["fingerprint"] for group in groups]
    wanted = request.query_params.get("group")
    return wanted if wanted in known else (known[0] if known else None)


async def _newest(deps: Dependencies, q: DeadLetterQuery, group: str | None) -> list[Any]:
    """The newest runs of the group."""
    if group is None:
        return []
    of_group = q.model_copy(update={"fingerprint": group, "cursor": None, "limit": _RUNS})
    found: list[Any] = (await find_dead_letters(deps, of_group))["items"]
    return found


async def _deaths(deps: Dependencies, reader: Reader, groups: list[Any]) -> dict[str, list[int]]:
    """When the dead letters of each group have died, by its fingerprint."""
    start, end = page.range_of(groups, reader.times.now)
    return await times_of_death(deps, [group["fingerprint"] for group in groups], start, end, page.STEPS)


async def _redrives(deps: Dependencies, reader: Reader, group: str | None) -> list[BulkView]:
    """The redrives that are running, of this group or of more."""
    q = BulkQuery(status="running", action="redrive", limit=_RUNNING)
    now = deps.clock.now()
    found = [view(of_record(row), now) for row in await operations.list_operations(deps, q, reader.scopes)]
    return [bulk_view(each, now) for each in found if each["filter"].get("fingerprint") in {None, group}]


async def _bench(request: Request, dead: Any, sent: dict[str, str] | None = None, fault: str = "") -> page.Workbench:
    """The workbench of the dead letter, with what a form has sent."""
    schemas, task = await readable_schemas(request), dead["task"]
    form = sent or {"payload": json_text(plain(dead["payload"])), TASK: task}
    editor = await in_thread(sent_form, form, task, schemas)
    return page.workbench(
        dead, await _checked(dependencies(request), dead, sent, schemas.get(task)), editor, sent, fault
    )


async def _sent_payload(form: Mapping[str, str], schema: Any) -> Any:
    """The payload of the editor; raises Problem 422."""
    if not form.get("payload", "").strip():
        raise invalid(Fault("/payload", "this is empty; an empty object is {}"))
    payload = await in_thread(merged, form, schema)
    must_fit(payload)
    return payload


async def _checked(deps: Dependencies, dead: Any, sent: dict[str, str] | None, schema: Any) -> page.Check:
    """What the payload in the editor is worth; without a form, the payload that the run has."""
    schemas, task = await deps.task_schemas(), dead["task"]
    old = plain(dead["payload"])
    try:
        new = old if sent is None else await _sent_payload(sent, schema)
    except Problem as problem:
        return page.Check("cannot be sent", _faults(problem), changed=True)
    try:
        await in_thread(schemas.must_accept, task, new)
        faults: tuple[tuple[str, str], ...] = ()
    except Problem as problem:
        faults = _faults(problem)
    return await in_thread(page.check, old, new, task, has_schema=bool(schemas.schemas.get(task)), faults=faults)


def _faults(problem: Problem) -> tuple[tuple[str, str], ...]:
    return tuple((fault.pointer, fault.message) for fault in problem.faults) or (("", problem.detail),)


@router.get("/{run_id}", **needs(Scope.DEAD_LETTERS_READ))
async def show_workbench(request: Request, run_id: PathId) -> Response:
    """The workbench alone, as links lead to it; of a run that rests no more, the run itself."""
    deps = dependencies(request)
    try:
        dead = await find_dead_letter(deps, run_id)
    except Problem:
        return redirect(request, f"/console/runs/{run_id}", "This run is no dead letter any more.")
    copies = _copies(request, run_id, "redrive")
    return await render(request, "workbench.html", bench=await _bench(request, dead), copies=copies)


@router.post("/{run_id}", **needs(Scope.DEAD_LETTERS_WRITE))
async def work(request: Request, run_id: PathId) -> Response:
    """Check the payload in the editor, or redrive this run with it; the page shows what readers may see only."""
    if not reader_of(request).may(Scope.DEAD_LETTERS_READ):
        raise Problem(403, "scope_missing", f"this needs a key with the scope {Scope.DEAD_LETTERS_READ}, too")
    deps, reader, form = dependencies(request), reader_of(request), await read_form(request)
    dead = await find_dead_letter(deps, run_id)
    if not reader.may(Scope.PAYLOADS_READ):
        form.pop("payload", None)
    fault, status = "", 200
    if form.get("do") == "try":
        try:
            await _try(request, dead, form)
            return redirect(request, f"/console/runs/{run_id}", "Redriven. This page shows what becomes of it.")
        except Problem as problem:
            fault, status = problem.detail, problem.status
        except CommandRejected as error:
            fault, status = str(error), 409
    sent = form if "payload" in form else None
    bench = await _bench(request, dead, sent, fault)
    copies = _copies(request, run_id, "redrive")
    return await render(request, "workbench.html", status_code=status, bench=bench, copies=copies)


def _copies(request: Request, run_id: UUID, command: str) -> Copies:
    path = f"/api/dead-letter/{run_id}/{command}"
    return reader_of(request).copies_with_reason(path, "dead-letter", command, str(run_id))


async def _try(request: Request, dead: Any, form: dict[str, str]) -> None:
    """Redrive the run, with the payload if it was edited; raises Problem and CommandRejected."""
    body: dict[str, Any] = {"reason": form.get("reason", "").strip()}
    if "payload" in form:
        schemas = await readable_schemas(request)
        payload = await _sent_payload(form, schemas.get(dead["task"]))
        if not page.is_same(dead["payload"], payload):
            body["payload"] = payload
    await redrive(dependencies(request), dead["id"], validated(RedriveBody, body), actor(request))


@router.get("/{run_id}/discard", **needs(Scope.DEAD_LETTERS_WRITE))
async def ask_discard(request: Request, run_id: PathId) -> Response:
    """The dialog that discards one."""
    dead = await find_dead_letter(dependencies(request), run_id)
    action = Action(
        title=f"Discard this run of “{dead['job_name']}”",
        submit="Discard",
        path=f"{page.PATH}/{run_id}/discard",
        back=f"{page.PATH}/{run_id}",
        notes=("It gets no further attempt. Its history stays readable.",),
        fields=(Field("reason", "Reason", hint="It stands in the log beside your name.", required=True),),
        is_dangerous=True,
        copies=_copies(request, run_id, "discard"),
    )
    return await render(request, "action.html", action=action)


@router.post("/{run_id}/discard", **needs(Scope.DEAD_LETTERS_WRITE))
async def discard(request: Request, run_id: PathId) -> Response:
    """Discard it."""
    deps, form = dependencies(request), await read_form(request)
    body = validated(MustReasonBody, {"reason": form.get("reason", "").strip()})
    await execute(deps, run_id, DiscardRun(body.reason, deps.clock.now()), actor(request))
    return redirect(request, page.PATH, "Discarded.")
