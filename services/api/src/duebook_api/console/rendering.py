"""Templates to responses. Every page goes through `render`, which adds the navigation, the reader and the headers."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope as AsgiScope

from duebook_api.console import assets
from duebook_api.console.config import ConsoleConfig
from duebook_api.console.guard import config
from duebook_api.console.pages import navigation, status, words
from duebook_api.console.pages.json_text import json_view
from duebook_api.console.pages.sentences import in_zone
from duebook_api.console.reader import FLASH, ZONE, Reader, chosen_zone, reader_of
from duebook_api.http.problems import Problem
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.phrases import quantity
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import UNAVAILABLE

_TEMPLATES = Path(__file__).parent / "templates"
# A page loads from its own server only, runs no script and no style of its own text, and is framed by none.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with `no-referrer` a form would be sent with the origin `null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_YEAR_SECONDS = 365 * 86_400
_COUNTS = "counts"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        chip=status.chip,
        glyph=status.glyph,
        look=status.look,
        quantity=quantity,
        json_view=json_view,
        Scope=Scope,
    )
    environment.filters.update(
        sentence=words.sentence,
        count=words.count,
        short_id=words.short_id,
        short_name=words.short_name,
        host_of=words.host_of,
        cut=words.cut,
        named=words.named,
    )
    return environment


async def render(request: Request, template: str, *, status_code: int = 200, **view: Any) -> Response:
    """A page. Beside `view` its template has `reader`, `url`, `may`, `when` and what the layout needs."""
    reader = reader_of(request)
    counts = getattr(request.state, _COUNTS, None)
    sections = navigation.entries(reader.path, reader.scopes, await (counts or _counts(request)))
    text = _text(template, reader, sections=sections, flash=unquote(request.cookies.get(FLASH, "")), **view)
    response = HTMLResponse(text, status_code, _HEADERS)
    path = config(request).base_path + "/console"
    if FLASH in request.cookies:
        response.delete_cookie(FLASH, path=path)
    if (zone := chosen_zone(request.query_params)) is not None:
        response.set_cookie(ZONE, zone, _YEAR_SECONDS, path=path, samesite="lax")
    return response


def _text(template: str, reader: Reader, **view: Any) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            reader=reader,
            times=reader.times,
            when=reader.times.moment,
            says=lambda sentence, zone=None: in_zone(sentence, reader.times, zone),
            url=reader.url,
            here=reader.here,
            may=reader.may,
            opens=lambda path: navigation.opens(path, reader.scopes),
            asset=lambda name: reader.url(assets.path_of(name)),
            **view,
        )
    )


async def counting(request: Request) -> None:
    """Begin to count for the navigation, while the page reads what it shows; `render` waits for it."""
    if request.method == "GET":
        counts = asyncio.create_task(_counts(request))
        counts.add_done_callback(_collect)  # a redirect needs no counts
        setattr(request.state, _COUNTS, counts)


def _collect(counts: asyncio.Task[Any]) -> None:
    if not counts.cancelled():
        counts.exception()


async def _counts(request: Request) -> dict[str, Any] | None:
    """The numbers beside the navigation, as the overview keeps them; none while the database does not answer."""
    if not navigation.needs_overview(frozenset(request.state.scopes)):
        return None
    deps = dependencies(request)
    try:
        return await deps.overview.read(deps.pool, deps.clock, deps.misfire)
    except UNAVAILABLE:
        return None


async def problem_page(request: Request, problem: Problem) -> Response:
    """An error in the look of the console, with what can be done about it."""
    response = await render(request, "problem.html", status_code=problem.status, problem=problem)
    response.headers.update(problem.headers)
    return response


def plain_problem_page(settings: ConsoleConfig, scope: AsgiScope, problem: Problem) -> Response:
    """An error before a page was asked for: who reads is not known, so there is no navigation."""
    text = (
        _environment()
        .get_template("plain_problem.html")
        .render(
            problem=problem,
            asset=lambda name: settings.base_path + assets.path_of(name),
            path=scope["path"],
        )
    )
    return HTMLResponse(text, problem.status, {**_HEADERS, **problem.headers})


def redirect(request: Request, path: str, message: str = "") -> Response:
    """The page after a form was sent; it shows the message once."""
    settings = config(request)
    response = RedirectResponse(settings.base_path + path, 303, {"Cache-Control": "no-store"})
    if message:
        response.set_cookie(
            FLASH, quote(message[:500]), 60, path=f"{settings.base_path}/console", httponly=True, samesite="strict"
        )
    return response
