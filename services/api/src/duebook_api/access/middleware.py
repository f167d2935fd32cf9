"""The outermost layer: authentication, rate limits, HEAD as GET, and a response also to an unexpected error."""

import re
from collections.abc import Callable
from functools import partial

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from duebook_api.access.api_keys import NO_KEYS, ApiKeys, Principal, bearer
from duebook_api.access.local_only import must_be_local
from duebook_api.access.paths import is_console, is_page, needs_key
from duebook_api.access.rate_limiter import RateLimiter
from duebook_api.access.session_cookie import session_token
from duebook_api.access.sessions import Sessions
from duebook_api.http.problems import Problem, problem_of, problem_response
from duebook_common.store.actor import Actor

ProblemPage = Callable[[Scope, Problem], Response]
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class _Sender:
    """Passes messages on, adds headers to the head of the response, and remembers whether that was sent."""

    def __init__(self, send: Send) -> None:
        self._send, self.started, self.headers = send, False, dict[str, str]()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self.headers:
            added = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
            message = {**message, "headers": [*message["headers"], *added]}
        self.started = True
        await self._send(message)


class AuthMiddleware:
    """Authenticates requests and adds their actor and scopes to the ASGI scope; without `keys` it lets all in.

    It also counts the requests of each client, which is the key, or without keys the address. In the console a session
    stands for the key, and `problem_page` shows the problems.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: ApiKeys | None,
        limiter: RateLimiter,
        sessions: Sessions | None = None,
        problem_page: ProblemPage | None = None,
    ) -> None:
        self._app, self._keys, self._limiter = app, keys, limiter
        self._sessions, self._problem_page = sessions, problem_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sender = _Sender(send)
        try:
            await self._handle(scope, receive, sender)
        except Exception as error:
            if not sender.started:  # else the response was sent and the error logged already
                await self._response(scope, error)(scope, receive, sender)

    def _response(self, scope: Scope, error: Exception) -> Response:
        problem = problem_of(error)
        response = problem_response(problem, error)  # which logs what the server is at fault for
        if self._problem_page is not None and is_console(scope["path"]):
            return self._problem_page(scope, problem)
        return response

    async def _handle(self, scope: Scope, receive: Receive, send: _Sender) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        principal = await (
            self._authenticate_reader(headers) if is_console(path) else self._authenticate(path, headers)
        )
        client = principal.name if self._keys is not None else f"address:{(scope.get('client') or ['unknown'])[0]}"
        if needs_key(path) or (is_console(path) and principal.scopes):
            send.headers = self._limiter.admit(client)
        trace = headers.get("traceparent", "")
        actor = Actor(principal.name, trace if _TRACEPARENT.fullmatch(trace) else None)
        charge = partial(self._limiter.charge, client)
        state = scope.setdefault("state", {})
        state.update(actor=actor, principal=principal, scopes=principal.scopes, client=client, charge=charge)
        state["api_keys"] = self._keys
        state["permitted"] = partial(self._is_permitted, path, headers)
        if scope["method"] == "HEAD":
            # The server omits the body: it goes by its own scope, in which the method is still HEAD.
            scope = {**scope, "method": "GET", "head": True}
        if "\0" in path:  # no text in the database has it
            raise Problem(404, "not_found", "there is nothing at a path with the character NUL (%00)")
        await self._app(scope, receive, send)

    async def _is_permitted(self, path: str, headers: Headers) -> bool:
        """Whether a client that was let in may go on: its key may be revoked or expire meanwhile."""
        if self._keys is None:
            return True
        if is_console(path) and self._sessions is not None:
            session = session_token(headers)
            return session is not None and await self._sessions.accepts(session)
        token = bearer(headers.getlist("authorization"))
        return token is not None and await self._keys.accepts(token)

    async def _authenticate_reader(self, headers: Headers) -> Principal:
        """The reader of a page; without a session a principal without scopes, which the console sends to sign in."""
        if self._keys is None:
            must_be_local(headers, is_page=True)
            return NO_KEYS
        session = session_token(headers)
        principal = await self._sessions.authenticate(session) if session and self._sessions else None
        return principal or Principal("anonymous", frozenset())

    async def _authenticate(self, path: str, headers: Headers) -> Principal:
        """The sender of the request; raises Problem 401, or 403 for a request of a foreign web page without keys."""
        if self._keys is None:
            must_be_local(headers, is_page=is_page(path))
            return NO_KEYS
        if not needs_key(path):
            return Principal("anonymous", frozenset())
        token = bearer(headers.getlist("authorization"))
        principal = await self._keys.authenticate(token) if token else None
        if principal is None:
            error = ', error="invalid_token"' if token else ""
            challenge = {"WWW-Authenticate": f'Bearer realm="duebook"{error}'}
            raise Problem(401, "unauthorized", "send a valid key: Authorization: Bearer …", headers=challenge)
        return principal
