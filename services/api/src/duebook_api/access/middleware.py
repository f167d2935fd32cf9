"""The outermost layer: authentication, HEAD as GET, and a response also to an unexpected error."""

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from duebook_api.access.api_keys import ApiKeys, Principal, bearer
from duebook_api.access.local_only import must_be_local
from duebook_api.http.problems import Problem, problem_of, problem_response
from duebook_common.runtime.scopes import EVERYTHING
from duebook_common.store.actor import Actor

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class AuthMiddleware:
    """Authenticates requests and adds their actor and scopes to the ASGI scope; without `keys` it lets all in."""

    def __init__(self, app: ASGIApp, keys: ApiKeys | None) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def tracked(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._handle(scope, receive, tracked)
        except Exception as error:
            if not started:  # else the response was sent and the error logged already
                await problem_response(problem_of(error), error)(scope, receive, tracked)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        principal = await self._authenticate(scope["path"], headers)
        trace = headers.get("traceparent", "")
        actor = Actor(principal.name, trace if _TRACEPARENT.fullmatch(trace) else None)
        scope.setdefault("state", {}).update(actor=actor, scopes=principal.scopes)
        if scope["method"] == "HEAD":
            # The server omits the body: it goes by its own scope, in which the method is still HEAD.
            scope = {**scope, "method": "GET", "head": True}
        await self._app(scope, receive, send)

    async def _authenticate(self, path: str, headers: Headers) -> Principal:
        """The sender of the request; raises Problem 401, or 403 for a request of a foreign web page without keys."""
        if self._keys is None:
            must_be_local(headers)
            return Principal("anonymous", EVERYTHING)
        if not _needs_key(path):
            return Principal("anonymous", frozenset())
        token = bearer(headers.getlist("authorization"))
        principal = await self._keys.authenticate(token) if token else None
        if principal is None:
            error = ', error="invalid_token"' if token else ""
            challenge = {"WWW-Authenticate": f'Bearer realm="duebook"{error}'}
            raise Problem(401, "unauthorized", "send a valid key: Authorization: Bearer …", headers=challenge)
        return principal


def _needs_key(path: str) -> bool:
    open_ = path in {"/api/docs", "/api/openapi.json"} or path.startswith("/api/docs/")
    return path.startswith("/api/") and not open_
