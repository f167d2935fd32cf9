"""What pages read of a request: filters from the URL, forms, and the scope that a route needs."""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import uuid_utils.compat as uuids
from pydantic import BaseModel
from starlette.requests import Request

from duebook_api.access.permits import NEEDS
from duebook_api.console.pages.actions import Field
from duebook_api.http.paging import parameters, query_of
from duebook_api.http.problems import Problem
from duebook_api.http.requests import MEBIBYTE, in_thread, read_body
from duebook_api.jobs.requests import request_hash

Q = TypeVar("Q", bound=BaseModel)
_OF_EVERY_PAGE = {"tz", "tab", "view"}
_FORM = "application/x-www-form-urlencoded"
ONCE = "once"
SENT_ALREADY = "This form was sent already:"
_LARGE_FORM, _MOST_FIELDS = 16 * 1024, 300


def needs(scope: str) -> dict[str, Any]:
    """The arguments of a route's decorator: the scope that its page or form needs, or ANY_KEY."""
    return {"openapi_extra": {NEEDS: scope}, "include_in_schema": False}


def filters(request: Request, model: type[Q], path: str, *others: str) -> Q:
    """The filter of a list in the URL, as the API's list at `path` reads it.

    A form sends its empty fields as well; these count as not given. `others` are parameters of the page itself.
    """
    ignored = {*_OF_EVERY_PAGE, *others}
    items = [(name, value) for name, value in parameters(request) if value and name not in ignored]
    return query_of(items, model, path)


def once() -> Field:
    """What makes a form that is sent twice, as by an impatient second click, count once."""
    return Field(ONCE, kind="hidden", value=uuids.uuid7().hex)


def once_key(form: Mapping[str, str], request: Any) -> str | None:
    """The Idempotency-Key of the form; what was changed in it since counts as another form."""
    return f"{form[ONCE]}.{request_hash(request)}" if form.get(ONCE) else None


async def read_form(request: Request, limit: int = MEBIBYTE) -> dict[str, str]:
    """The fields of a form of at most `limit` bytes; raises Problem 413, 415 or 422.

    Line ends are those of the text, not of the browser.
    """
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    body = bytes(await read_body(request, limit))
    if body and kind != _FORM:
        raise Problem(415, "not_a_form", f"send a form as {_FORM}")
    try:
        pairs = _pairs(body) if len(body) < _LARGE_FORM else await in_thread(_pairs, body)
    except ValueError:
        raise Problem(422, "too_many_fields", f"a form has at most {_MOST_FIELDS} fields") from None
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """Raises ValueError for too many fields."""
    return parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
