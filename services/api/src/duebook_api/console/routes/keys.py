"""API keys, and the audit."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import keys as page
from duebook_api.console.pages.copies import copies, curl
from duebook_api.console.pages.events import type_options
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import filters, needs, read_form
from duebook_api.http.problems import Problem
from duebook_api.http.requests import validated
from duebook_api.keys.audit import AuditQuery, find_acts
from duebook_api.keys.bodies import KeyBody, RevokeBody
from duebook_api.keys.routes import KeyQuery, find_keys, make, revoke_one
from duebook_api.state.dependencies import actor, dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/keys")


@router.get("", **needs(Scope.KEYS))
async def list_keys(request: Request) -> Response:
    """The keys, newest first, with their scopes, expiry and last use."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, KeyQuery, "/api/key")
    found = await find_keys(deps, q)
    is_all = found["next_cursor"] is None and not (q.cursor or q.status)
    return await render(
        request,
        "keys.html",
        q=q,
        rows=page.key_rows(found["items"]),
        sentence=page.sentence(found["items"], is_all=is_all),
        own=request.state.principal.key_id,
        statuses=page.STATUSES,
        next_cursor=found["next_cursor"],
        copies=copies(curl(reader.api("/api/key", q), needs_key=reader.needs_key), ["key", "list"]),
    )


@router.get("/audit", **needs(Scope.KEYS))
async def list_acts(request: Request) -> Response:
    """What people and programs did, newest first."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, AuditQuery, "/api/audit")
    found = await find_acts(deps, q, reader.scopes)
    return await render(
        request,
        "audit.html",
        q=q,
        rows=page.act_rows(found["items"]),
        types=type_options(",".join(q.type)),
        next_cursor=found["next_cursor"],
        copies=reader.copies_of("/api/audit", q, "audit"),
    )


@router.get("/new", **needs(Scope.KEYS))
async def ask_create(request: Request) -> Response:
    return await _form(request, {})


@router.post("/new", **needs(Scope.KEYS))
async def create(request: Request) -> Response:
    """The page after the form shows the key: it is no other page, so that no history or log keeps the key."""
    form = await read_form(request)
    try:
        body = validated(KeyBody, page.body_of(form))
        made = await make(dependencies(request), body, request.state.principal, actor(request))
    except Problem as problem:
        return await _form(request, form, problem)
    return await render(request, "key_made.html", status_code=201, key=made)


async def _form(request: Request, form: dict[str, str], problem: Problem | None = None) -> Response:
    reader = reader_of(request)
    fault = "" if problem is None else problem.detail
    url = reader.api("/api/key")
    action = page.create_form(url, reader.scopes, form, fault, needs_key=reader.needs_key)
    return await render(request, "action.html", status_code=200 if problem is None else problem.status, action=action)


@router.get("/{key_id}/revoke", **needs(Scope.KEYS))
async def ask_revoke(request: Request, key_id: str) -> Response:
    reader, shown = reader_of(request), key_id[:100]
    is_own = key_id == request.state.principal.key_id
    url = reader.api(f"/api/key/{shown}/revoke")
    action = page.revoke_form(shown, url, is_own=is_own, needs_key=reader.needs_key)
    return await render(request, "action.html", action=action)


@router.post("/{key_id}/revoke", **needs(Scope.KEYS))
async def revoke(request: Request, key_id: str) -> Response:
    form = await read_form(request)
    body = validated(RevokeBody, {"reason": form.get("reason") or None, "own": "own" in form})
    own, keys = request.state.principal.key_id, request.state.api_keys
    revoked = await revoke_one(dependencies(request), keys, key_id, body, actor(request), own=own)
    return redirect(request, "/console/keys", f"The key “{revoked['name']}” is revoked.")
