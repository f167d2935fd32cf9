"""API keys: make, list, revoke."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.api_keys import ApiKeys, Principal
from duebook_api.access.operation import operation
from duebook_api.http.filters import newest_first
from duebook_api.http.paging import SEVERAL, PageQuery, SortOrder, page_of, query, utc_time
from duebook_api.http.problems import Fault, Problem, not_found
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_json, read_optional, validated
from duebook_api.keys.bodies import KeyBody, RevokeBody
from duebook_api.schemas import answers, installation
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.runtime.api_keys import new_key
from duebook_common.runtime.scopes import Scope, allowed
from duebook_common.store.actor import Actor
from duebook_common.store.database import acquire
from duebook_common.store.key_handling import KEYS, MOST_KEYS, KeyRequest, TooManyKeys, add_key, revoke_key

router = APIRouter(prefix="/api/key", tags=["keys"])

_KEYS = f"SELECT * FROM ({KEYS}) AS keys"  # noqa: S608
_ORDER = SortOrder(("created_at", "key_id"), (utc_time, str))


class KeyQuery(PageQuery):
    status: Annotated[tuple[Literal["active", "expired", "revoked"], ...], SEVERAL] = ()


@router.get("", openapi_extra=operation(Scope.KEYS, query=KeyQuery), response_model=answers.Page[installation.Key])
async def list_keys(request: Request) -> Response:
    """The keys, newest first, also those that expired or were revoked. None of them can be shown again."""
    return reply(await find_keys(dependencies(request), query(request, KeyQuery)))


async def find_keys(deps: Dependencies, q: KeyQuery) -> dict[str, Any]:
    """One page of the list of keys."""
    wanted = ("status = ANY({})", list(q.status) or None)
    statement, arguments = newest_first(_KEYS, _ORDER, q, wanted)
    async with acquire(deps.pool) as db:
        rows: list[Any] = await db.fetch(statement, *arguments)
    return page_of(rows, q, _view, _ORDER.of)


@router.post("", status_code=201, openapi_extra=operation(Scope.KEYS, KeyBody), response_model=installation.NewKey)
async def create_key(request: Request) -> Response:
    """Make a key. The answer shows it once: only its hash is stored.

    A key may be given the scopes that yours has, and no other. If the answer got lost, revoke the key and make another
    one: the call has no Idempotency-Key, because the secret could not be answered again.
    """
    value, _ = await read_json(request)
    body = validated(KeyBody, value)
    return reply(await make(dependencies(request), body, request.state.principal, actor(request)), 201)


async def make(deps: Dependencies, body: KeyBody, principal: Principal, actor: Actor) -> dict[str, Any]:
    """The new key with its secret; raises Problem 403 for a scope that the principal lacks, 409 for too many keys."""
    faults = [
        Fault(f"/scopes/{n}", f"your key does not have the scope {scope}")
        for n, scope in enumerate(body.scopes)
        if not allowed(principal.scopes, scope)
    ]
    if faults:
        raise Problem(403, "scope_missing", f"a key may only give scopes that it has; {faults[0].message}", faults)
    if principal.expires_at is not None and _outlives(principal.expires_at, body, deps.clock.now()):
        fault = Fault("/expires_in", f"your key expires at {principal.expires_at.isoformat()}: name a time until then")
        raise Problem(403, "lifetime_too_long", "a key may not outlive the key that makes it", [fault])
    key = new_key()
    try:
        row = await add_key(deps.pool, KeyRequest(body.name, body.scopes, body.expires_in), key, actor)
    except TooManyKeys:
        raise Problem(409, "too_many_keys", f"there are {MOST_KEYS:,} active keys; revoke one first") from None
    return _view(row) | {"key": key.text}


def _outlives(expires_at: datetime, body: KeyBody, now: datetime) -> bool:
    return body.expires_in is None or now + body.expires_in > expires_at


@router.post(
    "/{key_id}/revoke",
    openapi_extra=operation(Scope.KEYS, RevokeBody, required=False),
    response_model=installation.Key,
)
async def revoke(key_id: str, request: Request) -> Response:
    """Revoke a key for ever. A repeat changes nothing.

    This copy of the API refuses it at once, the others within a second; its streams of events end within five. To
    revoke the key of the request itself, send `own`: a mistake would lock its holder out.
    """
    body = validated(RevokeBody, await read_optional(request))
    deps, keys, own = dependencies(request), request.state.api_keys, request.state.principal.key_id
    return reply(await revoke_one(deps, keys, key_id, body, actor(request), own=own))


async def revoke_one(
    deps: Dependencies, keys: ApiKeys | None, key_id: str, body: RevokeBody, actor: Actor, *, own: str | None
) -> dict[str, Any]:
    """The revoked key; raises Problem 404, and 409 for the caller's own key without `own`."""
    if key_id == own and not body.own:
        raise Problem(409, "own_key", 'this is the key of this request; send {"own": true} if that is meant')
    row = await revoke_key(deps.pool, key_id, body.reason, actor)
    if row is None:
        raise not_found(f"key {key_id[:100]!r}")
    if keys is not None:
        keys.forget(key_id)
    return _view(row)


def _view(row: Any) -> dict[str, Any]:
    view = {"id": row["key_id"], **dict(row)}
    del view["key_id"]
    return view
