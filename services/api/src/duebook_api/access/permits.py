"""What a key may do: each route declares the scope that it needs, where it says what else it `takes`."""

from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request

from duebook_api.http.problems import Problem
from duebook_common.runtime.scopes import Scope, allowed

NEEDS = "x-scope"


def needed(route: Any) -> str:
    """The scope that the route declares; of one that declares none, every scope."""
    extra = route.openapi_extra if isinstance(route, APIRoute) else None
    return str((extra or {}).get(NEEDS, Scope.ALL))


async def permitted(request: Request) -> None:
    """Raises Problem 403 where the key lacks the route's scope, before anything is read."""
    scope = needed(request.scope["route"])
    if not allowed(request.state.scopes, scope):
        raise Problem(403, "scope_missing", f"this needs a key with the scope {scope}, which yours does not have")
