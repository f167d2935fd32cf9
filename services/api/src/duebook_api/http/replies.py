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


def passed_on(text: str | None) -> Any:
    """JSON of the database as a part of an answer; None for NULL.

    Its objects, which can take thirty times the memory of the text, are dropped before those of the next part are made.
    """
    return None if text is None else orjson.Fragment(orjson.dumps(orjson.loads(text)))


def dumps(value: Any) -> bytes:
    """The value as JSON; times in UTC end in `Z`."""
    return orjson.dumps(value, str, orjson.OPT_UTC_Z)  # `str` writes asyncpg's own UUID class, which orjson does not
