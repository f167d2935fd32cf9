"""Requests as bytes, and answers as JSON or as an error. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from duebook.client.encoding import plain, text_of
from duebook.client.errors import ApiError, Fault, InvalidRequest, NotDuebook, api_error


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the API. `repeatable` says that a second time does no harm, should the first have had an effect."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    held: float = 0.0
    """For how many seconds the server may keep back its answer."""

    @property
    def target(self) -> str:
        """The path with its query. Parameters that are None are not sent."""
        given = {name: text_of(value) for name, value in self.query.items() if value is not None}
        return f"{self.path}?{urlencode(given)}" if given else self.path

    def content(self) -> bytes | None:
        """The body as it is sent; raises InvalidRequest for a value that JSON does not have."""
        if self.body is None:
            return None
        try:
            return json.dumps(self.body, ensure_ascii=False, allow_nan=False, default=plain).encode()
        except (TypeError, ValueError) as error:
            raise InvalidRequest(str(error)) from error


@dataclass(frozen=True, slots=True)
class Response:
    """The names of the headers are in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def read(response: Response) -> Any:
    """The JSON of a successful answer, None for 204; raises ApiError for a problem, NotDuebook for other content."""
    if response.status == 204:
        return None
    try:
        body = json.loads(response.body)
    except ValueError:
        raise NotDuebook(f"HTTP {response.status} without JSON", response.status) from None
    if 200 <= response.status < 300:
        return body
    if not isinstance(body, dict) or "code" not in body:
        raise NotDuebook(f"HTTP {response.status} without the field `code`", response.status)
    raise _error(response, body)


def _error(response: Response, problem: Mapping[str, Any]) -> ApiError:
    faults = [Fault(error["pointer"], error["detail"]) for error in problem.get("errors", [])]
    detail = problem.get("detail") or problem.get("title") or ""
    delay = _seconds(response.headers.get("retry-after", ""))
    return api_error(response.status)(response.status, problem["code"], detail, faults, delay)


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
