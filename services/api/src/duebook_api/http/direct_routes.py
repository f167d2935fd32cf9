"""The busiest routes are called without the layers of the framework, which take longer than their endpoints."""

from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from duebook_api.http.path_ids import is_id

Check = Callable[[Request], Awaitable[None]]


class DirectRoutes:
    """Answers the requests of `routes` itself, and leaves all others to the app that has these routes.

    A route has no parameters but the request and maybe an id, with which its path ends; what is no id is left to the
    app. `checks` are the app's dependencies. Errors are raised: `AuthMiddleware` turns them into the same problems as
    the app's handlers.
    """

    def __init__(self, app: FastAPI, routes: Iterable[APIRoute], checks: Iterable[Check]) -> None:
        self._app, self._checks = app, tuple(checks)
        self._routes = {(method, _prefix(route)): route for route in routes for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        route, ids = found
        texts = {name: str(id_) for name, id_ in ids.items()}
        request = Request({**scope, "app": self._app, "route": route, "path_params": texts}, receive, send)
        response = await self._answer(request, route, ids)
        await response(request.scope, receive, send)

    def _find(self, scope: Scope) -> tuple[APIRoute, dict[str, UUID]] | None:
        method, path = scope.get("method", ""), scope.get("path", "")
        if (route := self._routes.get((method, path))) is not None:
            return None if route.param_convertors else (route, {})
        prefix, slash, last = path.rpartition("/")
        route = self._routes.get((method, prefix + slash))
        if route is None or not is_id(last):
            return None
        return route, {name: UUID(last) for name in route.param_convertors}

    async def _answer(self, request: Request, route: APIRoute, ids: dict[str, UUID]) -> Response:
        try:
            for check in self._checks:
                await check(request)
            response: Response = await route.endpoint(request, **ids)
        except ClientDisconnect:
            return Response(status_code=400)  # the client does not receive it
        return response


def _prefix(route: APIRoute) -> str:
    """The path without the id with which it ends."""
    return route.path.partition("{")[0]
