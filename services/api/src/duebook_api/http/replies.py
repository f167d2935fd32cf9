"""JSON and HTML responses."""

from typing import Any

import orjson
from starlette.responses import HTMLResponse, Response

# A page may load and call its own server only, and no other site may frame it: keys are typed there. Swagger UI sets
# inline styles.
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dumps(value), status, headers, "application/json")


def html(text: str) -> Response:
    """A page; every HTML answer of the api is made here."""
    return HTMLResponse(text, headers=_PAGE_HEADERS)


def dumps(value: Any) -> bytes:
    """The value as JSON; times in UTC end in `Z`."""
    return orjson.dumps(value, str, orjson.OPT_UTC_Z)  # `str` writes asyncpg's own UUID class, which orjson does not
