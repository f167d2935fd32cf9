"""Bulk operations: the dialog, the list, and the page of one."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import uuid_utils.compat as uuids
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.permits import ANY_KEY
from duebook_api.bulk import operations
from duebook_api.bulk.operations import ORDER, BulkQuery, must_be_allowed, scopes_of
from duebook_api.console.guard import is_open_redirect
from duebook_api.console.pages import bulk as page
from duebook_api.console.pages.copies import copies, curl
from duebook_api.console.reader import Reader, reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import filters, needs, read_form
from duebook_api.http.paging import page_of
from duebook_api.http.path_ids import PathId
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.http.requests import validated
from duebook_api.runs.dead_letters import DeadLetterQuery, find_dead_letters
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.schemas.bulk import BulkBody, filter_view, view
from duebook_api.state.dependencies import actor, dependencies
from duebook_common.domain.bulk.events import ON_JOBS, BulkAction
from duebook_common.runtime.scopes import Scope
from duebook_common.store.bulk_rows import of_record

router = APIRouter()


@router.get("/bulk", **needs(ANY_KEY))
async def list_bulk(request: Request) -> Response:
    """The operations, newest first."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, BulkQuery, "/api/bulk")
    rows = await operations.list_operations(deps, q, reader.scopes)
    now = deps.clock.now()
    found = page_of(rows, q, lambda row: page.bulk_view(view(of_record(row), now), now), ORDER.of)
    return await render(
        request,
        "bulk_list.html",
        q=q,
        operations=found["items"],
        next_cursor=found["next_cursor"],
        actions=[("", "any"), *((action.value, page.WORDS[action].verb.lower()) for action in BulkAction)],
        copies=reader.copies_of("/api/bulk", q, "bulk", "list"),
    )


@router.get("/bulk/new", **needs(ANY_KEY))
async def ask(request: Request) -> Response:
    """The dialog: the action and its filter come from the URL, the count from a dry run."""
    query = dict(request.query_params)
    if "action" not in query:
        return redirect(request, page.PATH)
    back = query.pop("back", page.PATH)
    body = _body(request, query.pop("action", ""), query, dry_run=True)
    return await _dialog(request, body, back, {"once": uuids.uuid7().hex})


@router.post("/bulk/new", **needs(ANY_KEY))
async def begin(request: Request) -> Response:
    """Record the operation, once for each dialog."""
    form = await read_form(request)
    filter_ = {name.removeprefix("filter."): value for name, value in form.items() if name.startswith("filter.")}
    dry = _body(request, form.get("action", ""), filter_, dry_run=True)
    wanted = {"reason": form.get("reason", "").strip(), "rate": form.get("rate"), "limit": form.get("limit")}
    try:
        body = _body(
            request,
            form.get("action", ""),
            filter_,
            **{name: _number(name, text) for name, text in wanted.items() if text},
        )
        row = await _record(request, body, form)
    except Problem as problem:
        faults = "; ".join(f"{fault.pointer.strip('/')}: {fault.message}" for fault in problem.faults)
        return await _dialog(request, dry, form.get("back", ""), form, faults or problem.detail, problem.status)
    return redirect(request, f"{page.PATH}/{row.bulk.id}", "Recorded. A scheduler begins at once.")


async def _record(request: Request, body: BulkBody, form: dict[str, str]) -> Any:
    deps, shown = dependencies(request), form.get("shown", "")
    now = await operations.count(deps, BulkAction(body.action), operations.checked_filter(body), actor(request).name)
    known = int(shown) if shown.isdecimal() else 0
    if fault := page.fault_of_count(known, now, form.get("confirm", ""), body.limit):
        raise invalid(Fault("/confirm", fault))
    value = body.model_dump(mode="json", exclude_defaults=True)
    return await operations.request(deps, body, actor(request), form.get("once") or None, value)


def _number(name: str, text: str) -> Any:
    """A number as JSON would have it; other text is refused by the body, by name."""
    try:
        return text if name == "reason" else int(text) if name == "limit" else float(text)
    except ValueError:
        return text


def _body(request: Request, action: str, filter_: dict[str, str], **more: Any) -> BulkBody:
    """Raises Problem 403 or 422."""
    parsed: dict[str, Any] = {name: value for name, value in filter_.items() if value and name != "tz"}
    if "status" in parsed:
        parsed["status"] = parsed["status"].split(",")
    if "all" in parsed:
        parsed["all"] = parsed["all"] == "true"
    body = validated(BulkBody, {"action": action, "filter": parsed} | more)
    must_be_allowed(request.state.scopes, BulkAction(body.action), write=True)
    return body


async def _dialog(
    request: Request, body: BulkBody, back: str, sent: dict[str, str], fault: str = "", status: int = 200
) -> Response:
    reader, action = reader_of(request), BulkAction(body.action)
    filter_ = operations.checked_filter(body)
    shown_filter = filter_view(filter_)
    form = page.BulkForm(
        action,
        shown_filter,
        await operations.count(dependencies(request), action, filter_, actor(request).name),
        page.PATH if is_open_redirect(back) else back,
        sent.get("once", ""),
        sent,
        fault,
        await _error(request, action, shown_filter),
    )
    shown = page.dialog(form, reader.api("/api/bulk"), needs_key=reader.needs_key)
    return await render(request, "action.html", status_code=status, action=shown)


async def _error(request: Request, action: BulkAction, filter_: Mapping[str, Any]) -> str:
    """The error of the newest dead letter of the filter, if all of them failed alike and the reader may see it."""
    if "fingerprint" not in filter_ or action in ON_JOBS or not reader_of(request).may(Scope.DEAD_LETTERS_READ):
        return ""
    q = DeadLetterQuery(limit=1).model_copy(update=dict(filter_))  # each value has been checked by the dialog
    found = (await find_dead_letters(dependencies(request), q))["items"]
    return str(found[0]["error"] or "") if found else ""


@router.get("/bulk/{bulk_id}", **needs(ANY_KEY))
async def show_bulk(request: Request, bulk_id: PathId) -> Response:
    """The operation with its progress, and how many still match."""
    deps, reader = dependencies(request), reader_of(request)
    row = await operations.show(deps, bulk_id)
    must_be_allowed(reader.scopes, row.bulk.action, write=False)
    now_matching = await operations.count(deps, row.bulk.action, row.bulk.filter, actor(request).name)
    found = await operations.outcomes(deps, row.bulk, actor(request).name)
    now = deps.clock.now()
    return await render(
        request,
        "bulk.html",
        view=page.bulk_view(view(row, now), now),
        outcomes=page.outcomes(row.bulk.action, found),
        now_matching=page.now_matching(row.bulk.action, now_matching),
        matching=_matching(reader, row.bulk.action, filter_view(row.bulk.filter)),
        may_abort=reader.may(scopes_of(row.bulk.action)[1]),
        copies=copies(
            curl(reader.api(f"/api/bulk/{bulk_id}"), needs_key=reader.needs_key), ["bulk", "show", str(bulk_id)]
        ),
    )


def _matching(reader: Reader, action: BulkAction, filter_: dict[str, Any]) -> str:
    """The list that the filter stands for."""
    path = "/console/jobs" if action in ON_JOBS else "/console/runs"
    if action in {BulkAction.REDRIVE, BulkAction.DISCARD}:
        path = "/console/dead-letters"
    known = {name: value for name, value in filter_.items() if name not in {"all", "name"}}
    return reader.url(path) + (f"?{urlencode(known, doseq=True)}" if known else "")


@router.get("/bulk/{bulk_id}/abort", **needs(ANY_KEY))
async def ask_abort(request: Request, bulk_id: PathId) -> Response:
    """The dialog that stops it."""
    deps, reader = dependencies(request), reader_of(request)
    row = await operations.show(deps, bulk_id)
    must_be_allowed(reader.scopes, row.bulk.action, write=True)
    now = deps.clock.now()
    shown = page.abort_dialog(page.bulk_view(view(row, now), now), reader.api("/api/bulk"), needs_key=reader.needs_key)
    return await render(request, "action.html", action=shown)


@router.post("/bulk/{bulk_id}/abort", **needs(ANY_KEY))
async def abort(request: Request, bulk_id: PathId) -> Response:
    """Stop it: from here on it acts on no further target."""
    deps, form = dependencies(request), await read_form(request)
    row = await operations.show(deps, bulk_id)
    must_be_allowed(request.state.scopes, row.bulk.action, write=True)
    reason = validated(ReasonBody, {"reason": form.get("reason", "").strip() or None}).reason
    await operations.abort(deps, bulk_id, reason, actor(request))
    return redirect(request, f"{page.PATH}/{bulk_id}", "Aborted. What was done stays done.")
