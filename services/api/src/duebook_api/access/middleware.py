"""The outermost layer: who asks, HEAD as GET, and an answer even to what nobody expected."""

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from duebook_api.access.api_keys import ApiKeys, Principal, bearer
from duebook_api.http.problems import Problem, problem_of, problem_response
from duebook_common.runtime.scopes import EVERYTHING
from duebook_common.store.actor import Actor

_OPEN = frozenset({"/api/docs", "/api/openapi.json"})
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class AuthMiddleware:
    """Lets a request in with its actor; `keys` None lets everybody in."""

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
            await self._admit(scope, receive, tracked)
        except Exception as error:
            if not started:  # else it was answered and logged already, and is only raised on
                await problem_response(problem_of(error), error)(scope, receive, tracked)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        holder = await self._who(scope["path"], headers)
        trace = headers.get("traceparent", "")
        who = Actor(holder.name, trace if _TRACEPARENT.fullmatch(trace) else None)
        scope.setdefault("state", {}).update(actor=who, scopes=holder.scopes)
        if scope["method"] == "HEAD":
            # The server, which keeps its own scope, leaves the body out.
            scope = {**scope, "method": "GET", "head": True}
        await self._app(scope, receive, send)

    async def _who(self, path: str, headers: Headers) -> Principal:
        """Who asks; raises Problem 401."""
        if self._keys is None and headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            # Where no key is asked for, a page that the user visits elsewhere must not speak for the user.
            raise Problem(403, "foreign_origin", "requests from other web sites need a key")
        if self._keys is None:
            return Principal("anonymous", EVERYTHING)
        if not path.startswith("/api/") or path in _OPEN:
            return Principal("anonymous", frozenset())
        token = bearer(headers.getlist("authorization"))
        holder = await self._keys.authenticate(token) if token else None
        if holder is None:
            error = ', error="invalid_token"' if token else ""
            challenge = {"WWW-Authenticate": f'Bearer realm="duebook"{error}'}
            raise Problem(401, "unauthorized", "send a valid key: Authorization: Bearer …", headers=challenge)
        return holder
