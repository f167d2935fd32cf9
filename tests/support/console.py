"""Pages of the console as a browser asks for them, and what stands in them."""

import re
from collections.abc import Iterator
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qsl

import httpx2

from duebook_common.store.database import Pool
from support.api_app import Api

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
_LINK = re.compile(r'\s(?:href|src|action)="([^"]*)"')


async def get(api: Api, path: str, status: int = 200) -> str:
    """The page; its status is asserted."""
    answer = await api.http.get(path)
    assert answer.status_code == status, (path, answer.status_code, answer.text[-2000:])
    return answer.text


async def submit(api: Api, path: str, **fields: str) -> httpx2.Response:
    """Send a form, as a page of the console would."""
    return await api.http.post(path, data=fields, headers=FORM)


def links(page: str) -> Iterator[str]:
    """The paths that the page leads to, without fragments."""
    for link in _LINK.findall(page):
        path = unescape(link).partition("#")[0]
        if path:
            yield path


async def sign_in(api: Api, key: str) -> None:
    """From here on the client has the cookie of a session."""
    answer = await submit(api, "/console/sign-in", key=key, next="/console")
    assert answer.status_code == 303, answer.text


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the form, as a browser would send them."""
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)}


class _Controls(HTMLParser):
    """Reads the controls of a form as a browser would send them."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self._id, self._inside, self._select, self._area = form_id, False, "", ""
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("id") == self._id
        elif self._inside and tag == "input":
            if given.get("type") != "checkbox" or "checked" in given:
                self.values[given["name"]] = given.get("value", "")
        elif self._inside and tag in {"select", "textarea"}:
            self._select, self._area = (given["name"], "") if tag == "select" else ("", given["name"])
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.values):
            self.values[self._select] = given["value"]

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] = self.values.get(self._area, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "textarea":
            self.values.setdefault(self._area, "")
            self.values[self._area] = self.values[self._area].removeprefix("\n")
            self._area = ""
        elif tag == "select":
            self._select = ""


def controls(page: str, form_id: str) -> dict[str, str]:
    """The texts of the fields of the form, as a browser without JavaScript would send them."""
    parser = _Controls(form_id)
    parser.feed(page)
    return parser.values


async def make_key(pool: Pool, *scopes: str) -> str:
    """A key with these scopes."""
    key = "sk_of_a_test_secret"
    statement = "INSERT INTO keys (key_id, name, hash, scopes) VALUES ('of', 'a key', $1, $2)"
    await pool.execute(statement, sha256(key.encode()).digest(), list(scopes))
    return key


async def walk(http: httpx2.AsyncClient, start: str = "/console") -> set[str]:
    """Follow all links from the start within the console; returns the paths. None may fail.

    Filters can be combined without end: of the links that set the same parameters of a page one is followed, and none
    that sets more than two.
    """
    seen, shapes, todo = set[str](), set[tuple[str, frozenset[str]]](), [start]
    while todo:
        path = todo.pop()
        shape = _shape(path)
        if shape in shapes or len(shape[1]) > 2 or path.startswith("/console/sign-out"):
            continue
        seen.add(path)
        shapes.add(shape)
        answer = await http.get(path)
        assert answer.status_code in {200, 303, 405}, (path, answer.status_code, answer.text[-1500:])
        if answer.headers.get("content-type", "").startswith("text/html"):
            todo += [each for each in links(answer.text) if each.startswith(("/console", "/api"))]
    return seen


async def kinds_of_pages(http: httpx2.AsyncClient) -> list[str]:
    """A path of each kind of page that links lead to: the pages of two jobs are one kind, their tabs are not."""
    found, todo = dict[tuple[str, str], str](), ["/console"]
    for path in todo:
        page = (await http.get(path, follow_redirects=True)).text
        for link in [each for each in links(page) if each.startswith("/console") and not _NO_PAGE.search(each)]:
            if (kind := _kind(link)) not in found:
                found[kind] = link
                todo.append(link)
    return list(found.values())


_NO_PAGE = re.compile(r"/static/|/sign-out$|/events\.ndjson|/(payload|result)$")
_ID = re.compile(r"/[0-9a-f]{8}-[^/?]+|/[0-9a-f]{16}(?=/|$)|(?<=/queues)/[^/?]+")
_VIEWS = ("tab", "at", "day", "view", "group", "run")


def _kind(path: str) -> tuple[str, str]:
    """The page without ids, and the part of it that its parameters choose."""
    page, _, query = path.partition("?")
    chosen = dict(parse_qsl(query))
    view = next((name for name in _VIEWS if name in chosen), "")
    return _ID.sub("/*", page), f"tab={chosen['tab']}" if view == "tab" else view


def _shape(path: str) -> tuple[str, frozenset[str]]:
    """The page, and the names of the parameters that are set."""
    page, _, query = path.partition("?")
    return page, frozenset(name for name, value in parse_qsl(query) if value)
