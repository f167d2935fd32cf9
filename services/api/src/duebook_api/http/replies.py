"""JSON responses."""

from typing import Any

import orjson
from starlette.responses import Response


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dumps(value), status, headers, "application/json")


def dumps(value: Any) -> bytes:
    """The value as JSON; times in UTC end in `Z`."""
    return orjson.dumps(value, str, orjson.OPT_UTC_Z)  # `str` writes asyncpg's own UUID class, which orjson does not
