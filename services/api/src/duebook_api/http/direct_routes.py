"""The busiest routes are called without the layers of the framework, which take longer than their endpoints."""

from collections.abc import Awaitable, Callable, Iterable

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Check = Callable[[Request], Awaitable[None]]


class DirectRoutes:
    """Answers the requests of `routes` itself, and leaves all others to the app that has these routes.

    A route has no parameters but the request, and no parameter in its path. `checks` are the app's dependencies. Errors
    are raised: `AuthMiddleware` turns them into the same problems as the app's handlers.
    """

    def __init__(self, app: FastAPI, routes: Iterable[APIRoute], checks: Iterable[Check]) -> None:
        self._app, self._checks = app, tuple(checks)
        self._routes = {(method, route.path): route for route in routes for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope.get("method", ""), scope.get("path", "")))
        if route is None:
            await self._app(scope, receive, send)
            return
        request = Request({**scope, "app": self._app, "route": route, "path_params": {}}, receive, send)
        response = await self._answer(request, route)
        await response(request.scope, receive, send)

    async def _answer(self, request: Request, route: APIRoute) -> Response:
        try:
            for check in self._checks:
                await check(request)
            response: Response = await route.endpoint(request)
        except ClientDisconnect:
            return Response(status_code=400)  # the client does not receive it
        return response
