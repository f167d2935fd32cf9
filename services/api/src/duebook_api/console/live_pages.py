"""Live pages: many viewers refresh the same page at once, which is then rendered once for all of them.

A refresh is a request with the header `X-Live`, whose value is the position up to which the viewer's stream has read
the log. What it is answered is made of the key alone: of the request the page gets nothing else. So a viewer is shown
neither what another scope may see nor anything of another viewer, and no page from before the events that it asks for.

This process reads the log once a second for all streams. Who asks for less than it has read gets the page of that end:
a viewer who comes late does not cause another rendering, and no two positions within a second cause two.
"""

import re
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from duebook_api.console.reader import OWN_ZONE, THEME, ZONE
from duebook_api.state.changes import Changes
from duebook_api.state.shared_answers import SharedAnswers
from duebook_common.store.actor import Actor

HEADER = "x-live"
_COOKIES = (ZONE, OWN_ZONE, THEME)
_LONGEST = 2_000  # characters of a key's parts: longer requests are answered by themselves
_VIEWERS = "viewers"
_OF_ONE_VIEWER = ("/console/keys",)  # pages that show which key is the viewer's own
_POSITION = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?")


class LiveKey(NamedTuple):
    """All that a live page depends on."""

    position: str
    processes: str | None
    repeats: int
    path: str
    query: bytes
    scopes: frozenset[str]
    origin: tuple[str, str]
    cookies: tuple[tuple[str, str], ...]


class LivePages:
    """The console, with refreshes shared. Other requests, and answers that are no page, are left alone."""

    def __init__(self, app: ASGIApp, changes: Changes, age: float = 1.0) -> None:
        self._app, self._changes, self._pages = app, changes, SharedAnswers(age)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = live_key(scope, self._changes)
        page = None if key is None else await self._pages.read(key, partial(self._render, scope, key))
        if page is None:
            await self._app(scope, receive, send)
            return
        for message in page:
            await send(dict(message))

    async def _render(self, scope: Scope, key: LiveKey) -> list[Message] | None:
        """The messages of the page; None for an answer that is no page, such as a stream."""
        messages, start = list[Message](), time.monotonic()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start" and not _is_page(message):
                raise _NoPage
            messages.append(message)

        try:
            await self._app(_shared_scope(scope, key), _nothing_sent, send)
        except _NoPage:
            return None
        self._changes.note_refresh(time.monotonic() - start)
        return messages


class _NoPage(Exception):
    pass


def _is_page(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return start["status"] == 200 and headers.get("content-type", "").startswith("text/html")


async def _nothing_sent() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def live_key(scope: Scope, changes: Changes) -> LiveKey | None:
    """The key of a refresh; None for any other request. A position before that of `changes` becomes that one."""
    headers = Headers(scope=scope)
    position = headers.get(HEADER)
    if position is None or scope["method"] != "GET" or scope.get("head") or scope["path"].endswith(_OF_ONE_VIEWER):
        return None
    found = LiveKey(
        later(position, changes.seen_to),
        changes.processes,
        changes.repeats,
        scope["path"],
        scope["query_string"],
        frozenset(scope["state"]["scopes"]),
        (scope["scheme"], headers.get("host", "")),
        _chosen(headers.get("cookie", "")),
    )
    length = len(position) + len(found.path) + len(found.query) + len(found.origin[1]) + len(str(found.cookies))
    return found if length <= _LONGEST else None


def later(requested: str, seen_to: str) -> str:
    """`seen_to` if it has all that is requested for. An unknown text is only shared with those who send the same."""
    wanted, read = _numbers(requested), _numbers(seen_to)
    return seen_to if wanted and read and wanted <= read else requested


def _numbers(position: str) -> list[int]:
    return [int(number) for number in position.split("-")] if _POSITION.fullmatch(position) else []


def _chosen(cookies: str) -> tuple[tuple[str, str], ...]:
    """What the reader has chosen: zone and theme."""
    parsed = cookie_parser(cookies)
    return tuple((name, parsed[name]) for name in _COOKIES if name in parsed)


def _shared_scope(scope: Scope, key: LiveKey) -> Scope:
    """The request without all that the key does not have."""
    headers: Iterable[tuple[str, str]] = [("host", key.origin[1]), (HEADER, key.position)]
    if key.cookies:
        headers = [*headers, ("cookie", "; ".join(f"{name}={value}" for name, value in key.cookies))]
    state: dict[str, Any] = {"actor": Actor(_VIEWERS), "client": _VIEWERS, "scopes": key.scopes}
    state["api_keys"] = scope["state"].get("api_keys")
    return {**scope, "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers], "state": state}
