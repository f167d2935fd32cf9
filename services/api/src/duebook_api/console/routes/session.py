"""Sign in and out."""

import time

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.local_only import is_local
from duebook_api.access.rate_limit import Bucket
from duebook_api.access.session_cookie import NAME, session_token
from duebook_api.access.sessions import LIFETIME, Sessions
from duebook_api.console.guard import config, is_open_redirect, must_be_same_site
from duebook_api.console.rendering import redirect, render
from duebook_api.console.requests import read_form
from duebook_common.runtime.rates import Rate

_MOST_BYTES = 16 * 1024  # of the form: its sender has no key yet
router = APIRouter()

_FAILURES = Rate(10, LIFETIME / 720)  # of one address, in a minute
_MOST_ADDRESSES = 10_000


class FailedSignIns:
    """Failed sign-ins by address: after ten in a minute an address must wait."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def retry_after(self, address: str) -> int:
        """The seconds that the address must wait before it may try a key; 0 if it need not."""
        bucket = self._buckets.get(address)
        if bucket is None:
            return 0
        bucket.drain(_FAILURES, time.monotonic())
        excess = bucket.level + 1 - _FAILURES.count
        return 0 if excess <= 0 else max(1, round(excess / _FAILURES.per_second))

    def add(self, address: str) -> None:
        if len(self._buckets) >= _MOST_ADDRESSES:
            self._buckets.clear()
        self._buckets.setdefault(address, Bucket(0.0, time.monotonic())).add(1)


def _sessions(request: Request) -> Sessions | None:
    found: Sessions | None = request.app.state.sessions
    return found


def _next(path: str) -> str:
    return "/console" if is_open_redirect(path) else path


@router.get("/sign-in", include_in_schema=False)
async def show_sign_in(request: Request) -> Response:
    """The page on which a key is pasted."""
    next_path = _next(request.query_params.get("next", "/console"))
    if _sessions(request) is None or request.state.scopes:
        return redirect(request, next_path)
    if _lacks_cookie_of_other_site(request):
        return await render(request, "same_site.html", next_path=next_path)
    return await _form(request, next_path)


def _lacks_cookie_of_other_site(request: Request) -> bool:
    """Whether the browser may have a session that it kept back, because a link of another site led here.

    A page of this site then asks once more, with the cookie. Other requests do not profit: their answers are not read.
    """
    is_navigation = request.headers.get("sec-fetch-mode") == "navigate"
    is_foreign = request.headers.get("sec-fetch-site") == "cross-site"
    return is_navigation and is_foreign and "again" not in request.query_params


@router.post("/sign-in", include_in_schema=False, dependencies=[Depends(must_be_same_site)])
async def sign_in(request: Request) -> Response:
    """Open a session for the key."""
    form, sessions = await read_form(request, _MOST_BYTES), _sessions(request)
    next_path = _next(form.get("next", "/console"))
    if sessions is None:
        return redirect(request, next_path)
    failures: FailedSignIns = request.app.state.failed_sign_ins
    address = request.client.host if request.client else "unknown"
    if wait := failures.retry_after(address):
        return await _form(request, next_path, f"Too many keys were wrong. Try again in {wait} s.", 429)
    token = await sessions.open(form.get("key", "").strip())
    if token is None:
        failures.add(address)
        return await _form(request, next_path, "This key is not valid. It may be revoked or expired.", 401)
    response = redirect(request, next_path)
    _set_cookie(request, response, token)
    return response


def _set_cookie(request: Request, response: Response, token: str) -> None:
    response.set_cookie(
        NAME,
        token,
        int(LIFETIME.total_seconds()),
        path=config(request).base_path or "/",
        httponly=True,
        samesite="strict",
        secure=_is_secure(config(request).public_url, request.headers.get("host", "")),
    )


def _is_secure(public_url: str, host: str) -> bool:
    """Whether browsers reach the console over HTTPS only. Without a public URL they do unless the host is local."""
    return public_url.startswith("https:") if public_url else not is_local(host)


async def _form(request: Request, next_path: str, fault: str = "", status: int = 200) -> Response:
    return await render(request, "sign_in.html", status_code=status, next_path=next_path, fault=fault)


@router.post("/sign-out", include_in_schema=False, dependencies=[Depends(must_be_same_site)])
async def sign_out(request: Request) -> Response:
    """End the session."""
    token, sessions = session_token(request.headers), _sessions(request)
    if token is not None and sessions is not None:
        await sessions.close(token)
    response = redirect(request, "/console/sign-in")
    response.delete_cookie(NAME, path=config(request).base_path or "/")
    return response
