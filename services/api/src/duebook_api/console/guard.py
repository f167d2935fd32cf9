"""What stands before every page: the sign-in, the scope of the route, and the refusal of other sites' requests."""

from urllib.parse import quote, urlsplit

from starlette.requests import Request

from duebook_api.access.paths import CONSOLE
from duebook_api.access.permits import ANY_KEY, required_scope
from duebook_api.console.config import ConsoleConfig
from duebook_api.console.pages.navigation import first_page
from duebook_api.http.problems import Problem
from duebook_common.runtime.scopes import Scope, allowed

_ANY = {Scope.ALL, ANY_KEY}
_SAFE = {"GET", "HEAD", "OPTIONS"}
SIGN_IN = "/console/sign-in"


class Elsewhere(Exception):
    """Another page answers this request: the sign-in, or the first page that the key may read."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def config(request: Request) -> ConsoleConfig:
    found: ConsoleConfig = request.app.state.config
    return found


class SignedOut(Exception):
    """A form was sent without a session, as after twelve hours: what was typed must not be lost."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope


async def guarded(request: Request) -> None:
    """Raises Elsewhere or SignedOut, and Problem 403 for another site or without the scope of the route."""
    must_be_same_site(request)
    scope = required_scope(request.scope["route"])
    if config(request).needs_key and not request.state.scopes:
        if request.method == "POST" and "hx-request" not in request.headers:
            raise SignedOut("" if scope in _ANY else scope)
        raise sign_in_for(request)
    if scope not in _ANY and not allowed(request.state.scopes, scope):
        if request.url.path == CONSOLE and (path := first_page(request.state.scopes)) is not None:
            raise Elsewhere(path)
        raise Problem(403, "scope_missing", f"this needs a key with the scope {scope}, which yours does not have")


def sign_in_for(request: Request) -> Elsewhere:
    """The sign-in, which leads back to the page that was asked for."""
    return Elsewhere(f"{SIGN_IN}?next={quote(_next_path(request), safe='/')}")


def _next_path(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return request.url.path + query if request.method == "GET" else "/console"


def must_be_same_site(request: Request) -> None:
    """A form of another site must change nothing here, though the browser sends the cookie or needs none."""
    if request.method in _SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        same = site == "same-origin"
    else:
        same = origin is not None and urlsplit(origin).netloc == request.headers.get("host")
    if not same:
        raise Problem(403, "foreign_origin", "this form was not sent by a page of the console; open the page again")


def is_open_redirect(path: str) -> bool:
    """Whether a path from a query would lead out of the console."""
    return not (path == "/console" or path.startswith(("/console/", "/console?"))) or "\\" in path or "//" in path
