"""Authorization: each route declares the scope that it needs by `operation`."""

from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request

from duebook_api.http.problems import Problem
from duebook_common.runtime.scopes import Scope, allowed

NEEDS = "x-scope"
ANY_KEY = "any key"  # of a route that needs a valid key and no scope


def required_scope(route: Any) -> str:
    """The scope that the route declares, or `*` if it declares none."""
    extra = route.openapi_extra if isinstance(route, APIRoute) else None
    return str((extra or {}).get(NEEDS, Scope.ALL))


def may_read_payloads(request: Request) -> bool:
    """Whether an answer about runs may contain their payloads."""
    return allowed(request.state.scopes, Scope.PAYLOADS_READ)


async def permitted(request: Request) -> None:
    """Raises Problem 403 if the key lacks the scope of the route, before the route reads the request."""
    scope = required_scope(request.scope["route"])
    if scope != ANY_KEY and not allowed(request.state.scopes, scope):
        raise Problem(403, "scope_missing", f"this needs a key with the scope {scope}, which yours does not have")
