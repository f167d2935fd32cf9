"""Who reads a page, and how: scopes, time zone, theme, and the paths of links."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.requests import Request

from duebook_api.console.guard import config
from duebook_api.console.pages.copies import Copies, copies, curl, options
from duebook_api.console.pages.times import JOBS_ZONE, Times
from duebook_api.http.fields import instant
from duebook_api.http.problems import Fault, invalid
from duebook_api.http.zones import zone
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope, allowed

ZONE, OWN_ZONE, THEME, FLASH = "duebook_tz", "duebook_own_tz", "duebook_theme", "duebook_flash"
_THEMES = {"light", "dark"}


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of one page. `path` is that of the page, without the prefix of a reverse proxy."""

    name: str
    scopes: frozenset[str]
    times: Times
    theme: str
    path: str
    query: tuple[tuple[str, str], ...]
    base_path: str
    origin: str
    needs_key: bool

    def may(self, scope: str) -> bool:
        return allowed(self.scopes, scope)

    def url(self, path: str, **query: object) -> str:
        """The path for a link, with the prefix of the proxy; parameters that are None are left out."""
        return self.base_path + self.path_to(path, **query)

    def path_to(self, path: str, **query: object) -> str:
        """The path without the prefix, as `redirect` takes it."""
        chosen = {name: value for name, value in query.items() if value is not None}
        return path + (f"?{urlencode(chosen, doseq=True)}" if chosen else "")

    def api(self, path: str, q: BaseModel | None = None, **more: object) -> str:
        """The whole URL of a request to the API, for copies; further parameters that are None are left out."""
        query = q.model_dump(mode="json", exclude_defaults=True, by_alias=True, warnings=False) if q is not None else {}
        return self.origin + self.url(path, **query, **more)

    def copies_of(self, path: str, q: BaseModel, *words: str) -> Copies:
        """A list of the API with its filters, as a request and as a command line."""
        return copies(curl(self.api(path, q), needs_key=self.needs_key), [*words, *options(dict(q))])

    def copies_with_reason(self, path: str, *words: str) -> Copies:
        """A command that takes a reason, as a request and as a command line."""
        request = curl(self.api(path), "POST", {"reason": "…"}, needs_key=self.needs_key)
        return copies(request, [*words, "--reason", "…"])

    def here(self, **changes: object) -> str:
        """The page with other parameters; one that is None is dropped, and a new filter begins at the first page."""
        return self.url(self.path, **{**self.parameters_without(*changes, "cursor"), **changes})

    def parameters_without(self, *names: str) -> dict[str, list[str]]:
        """The parameters of the page but these; each may be given several times."""
        kept: dict[str, list[str]] = {}
        for name, value in self.query:
            if name not in names:
                kept.setdefault(name, []).append(value)
        return kept


def reader_of(request: Request) -> Reader:
    """The reader of a page; a zone in the URL counts before the one that the browser remembers."""
    settings = config(request)
    return Reader(
        name=request.state.actor.name,
        scopes=frozenset(request.state.scopes),
        times=times_of(request, dependencies(request).clock.now()),
        theme=request.cookies.get(THEME, "") if request.cookies.get(THEME) in _THEMES else "",
        path=request.url.path,
        query=tuple(request.query_params.multi_items()),
        base_path=settings.base_path,
        origin=f"{request.url.scheme}://{request.headers.get('host', 'localhost')}",
        needs_key=settings.needs_key,
    )


def times_of(request: Request, now: datetime) -> Times:
    own = _known_zone(request.cookies.get(OWN_ZONE))
    chosen = _known_zone(request.query_params.get("tz")) or _known_zone(request.cookies.get(ZONE))
    return Times(now, chosen or own or "UTC", own)


def _known_zone(name: str | None) -> str | None:
    if not name or name == JOBS_ZONE:
        return name or None
    try:
        return zone(name)
    except ValueError:
        return None


def chosen_zone(query: Mapping[str, str]) -> str | None:
    """The zone that the URL chooses, for the browser to remember."""
    return _known_zone(query.get("tz"))


async def readable_schemas(request: Request) -> Mapping[str, Any]:
    """The payload schemas of the tasks; none for a reader who may not see the tasks."""
    may_read = reader_of(request).may(Scope.SYSTEM_READ)
    return (await dependencies(request).task_schemas()).schemas if may_read else {}


def time_in_url(reader: Reader, name: str) -> datetime | None:
    """A time of the URL: with an offset, or as a browser's field has it, in the reader's zone; raises Problem 422."""
    text = dict(reader.query).get(name)
    if not text:
        return None
    try:
        if (local := datetime.fromisoformat(text)).tzinfo is None:
            return instant(local.replace(tzinfo=reader.times.info()).isoformat())
        return instant(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise invalid(Fault(f"/{name}", "write a time like 2026-11-26T02:00:00+01:00")) from None
