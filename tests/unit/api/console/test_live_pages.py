"""Refreshes of live pages: which share an answer, and what they may not share."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from duebook_api.console.live_pages import LivePages, later
from duebook_api.state.changes import LONGEST_PAUSE, PAUSE, Changes


class App:
    """Answers with what it gets, and counts the requests."""

    def __init__(self, response: type[Response] = HTMLResponse, takes: float = 0) -> None:
        self.requests, self._response, self._takes = 0, response, takes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        request = Request(scope)
        words = [
            request.state.actor,
            sorted(request.state.scopes),
            *sorted(request.cookies),
            request.headers.get("x-a"),
        ]
        await asyncio.sleep(self._takes)
        await self._response(f"{words}")(scope, receive, send)


def refresh(**changes: Any) -> Scope:
    headers = {"x-live": "7-1", "host": "h", "cookie": "duebook_session=s; duebook_flash=f; duebook_tz=UTC", "x-a": "a"}
    headers |= {name.replace("_", "-"): value for name, value in changes.pop("headers", {}).items()}
    return {
        "type": "http",
        "method": "GET",
        "path": "/console",
        "query_string": b"",
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "state": {"actor": "me", "scopes": frozenset({"*"}), "client": "me", **changes.pop("state", {})},
        **changes,
    }


async def ask(pages: LivePages, scope: Scope) -> str:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await pages(scope, receive, send)
    return b"".join(message.get("body", b"") for message in messages).decode()


def live_pages(app: App, seen_to: str = "", age: float = 60) -> LivePages:
    changes = Changes()
    changes._seen_to = seen_to
    return LivePages(app, changes, age)


async def test_fifty_viewers_of_a_page_cost_one_rendering() -> None:
    app = App()
    pages = live_pages(app)
    assert len({*await asyncio.gather(*(ask(pages, refresh(state={"actor": n})) for n in range(50)))}) == 1
    assert app.requests == 1


async def test_slow_refreshes_make_pages_follow_less_often() -> None:
    changes = Changes()
    await ask(LivePages(App(), changes), refresh())
    assert changes.pause() == PAUSE
    await ask(LivePages(App(takes=0.15), changes), refresh())
    assert PAUSE < changes.pause() <= LONGEST_PAUSE
    assert changes.pause() == PAUSE
    changes.note_refresh(60)
    assert changes.pause() == LONGEST_PAUSE


async def test_a_page_that_shows_the_viewers_own_key_is_not_shared() -> None:
    app = App()
    pages = live_pages(app)
    assert [await ask(pages, refresh(path="/console/keys", state={"actor": n})) for n in range(2)] == [
        await ask(live_pages(App()), refresh(path="/console/keys", state={"actor": n})) for n in range(2)
    ]
    assert app.requests == 2


async def test_what_a_page_depends_on_is_not_shared() -> None:
    app = App()
    pages = live_pages(app)
    others = [
        refresh(path="/console/runs"),
        refresh(query_string=b"q=a"),
        refresh(state={"scopes": frozenset({"runs:read"})}),
        refresh(headers={"cookie": "duebook_tz=Asia/Tokyo"}),
        refresh(headers={"cookie": "duebook_theme=dark"}),
        refresh(headers={"host": "other"}),
        refresh(headers={"x_live": "7-2"}),
        refresh(scheme="https"),
    ]
    for scope in (refresh(), *others):
        await ask(pages, scope)
        await ask(pages, scope)
    assert app.requests == 1 + len(others)


async def test_viewers_of_different_positions_share_what_this_process_has_read() -> None:
    app = App()
    pages = live_pages(app, "9-4")
    for position in ("1", "7-1", "9-3", "9-4"):
        await ask(pages, refresh(headers={"x_live": position}))
    assert app.requests == 1
    for position in ("9-5", "10-1"):  # another replica has read further: a page from before that is too old
        await ask(pages, refresh(headers={"x_live": position}))
    assert app.requests == 3


@pytest.mark.parametrize("requested", ["", "9", "9-", "x-1", "9-4-1", "¹-1", "1" * 5000, "99-1"])
def test_a_position_that_is_later_or_unknown_stays_what_it_is(requested: str) -> None:
    assert later(requested, "8-4") == requested
    assert later(requested, "") == requested


async def test_a_shared_page_has_nothing_of_the_first_viewer() -> None:
    shown = await ask(live_pages(App()), refresh())
    assert "me" not in shown.replace("name='viewers'", "")
    assert "duebook_session" not in shown
    assert "duebook_flash" not in shown
    assert "'a'" not in shown
    assert "duebook_tz" in shown


async def test_loads_and_answers_that_are_no_pages_are_not_shared() -> None:
    app = App()
    pages, load = live_pages(app), refresh()
    load["headers"] = [each for each in load["headers"] if each[0] != b"x-live"]
    for scope in (load, refresh(method="POST"), refresh(head=True), refresh(query_string=b"a" * 5000)):
        assert "'me'" in await ask(pages, scope)
    text = live_pages(App(PlainTextResponse))
    assert "'me'" in await ask(text, refresh())
