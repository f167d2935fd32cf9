"""A small synchronous client of the REST API.

with Client("http://127.0.0.1:8000", key) as api:
    job = api.post("/api/job", {"name": "nightly report"})
    for run in api.items(f"/api/job/{job['id']}/runs", limit=20):
        ...
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException, InvalidURL
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from duebook.connection import Connection, Response

_PAGE = 200
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
# Sends a request: the method, the path with its query, the headers and the body.
Send = Callable[[str, str, Mapping[str, str], bytes | None], Response]


@dataclass(frozen=True, slots=True)
class Fault:
    """One error in a request. `pointer` is the JSON pointer of a field, or the name of a parameter."""

    pointer: str
    detail: str


class ClientError(Exception):
    """The base of all errors that a request can end with."""


class ApiError(ClientError):
    """The API refused the request. `code` is stable; `faults` list the errors of an invalid request."""

    def __init__(self, status: int, code: str, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail, self.faults = status, code, detail, tuple(faults)


class Unreachable(ClientError):
    """No answer arrived, so the request may or may not have taken effect."""


class NotDuebook(ClientError):
    """The answer is not from Duebook's API."""


class InvalidRequest(ClientError):
    """The URL, the key or a value cannot be part of an HTTP request; nothing was sent."""


class Client:
    """A connection to one API with one key. Every method raises a subclass of ClientError if the request fails."""

    def __init__(self, url: str, key: str | None = None, *, seconds: float = 30, send: Send | None = None) -> None:
        if key is not None and not (key.isascii() and key.isprintable() and key.strip()):
            raise InvalidRequest("the key must be one line of printable ASCII characters")
        try:
            self._connection = Connection(url, seconds)
        except ValueError as error:
            raise InvalidRequest(f"{url!r} is not a URL of an API: {error}") from error
        self._send = send or self._connection.request
        self._headers = _JSON | ({"Authorization": f"Bearer {key}"} if key else {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer's JSON. Parameters that are None are not sent."""
        return _read(self.response("GET", path, **parameters))

    def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return _read(self._request("POST", path, headers, {} if body is None else body))

    def patch(self, path: str, body: Any) -> Any:
        return _read(self._request("PATCH", path, {}, body))

    def delete(self, path: str) -> None:
        _read(self._request("DELETE", path))

    def response(self, method: str, path: str, **parameters: Any) -> Response:
        """The answer as it is, whatever its status. Parameters that are None are not sent."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._request(method, f"{path}?{urlencode(given)}" if given else path)

    def items(self, path: str, limit: int | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, at most `limit`; reads page after page."""
        for page in self.pages(path, limit, **filters):
            yield from page["items"]

    def pages(self, path: str, limit: int | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """The pages of a list, with at most `limit` items together."""
        cursor, left = None, limit
        while left is None or left > 0:
            page = self.get(path, limit=min(left or _PAGE, _PAGE), cursor=cursor, **filters)
            yield page
            cursor = page["next_cursor"]
            if cursor is None:
                return
            left = None if left is None else left - len(page["items"])

    def _request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Response:
        try:
            content = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            return self._send(method, target, {**self._headers, **(headers or {})}, content)
        except (InvalidURL, ValueError) as error:
            raise InvalidRequest(_reason(error)) from error
        except (HTTPException, OSError) as error:
            raise Unreachable(_reason(error)) from error


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _read(answer: Response) -> Any:
    """The JSON of a successful answer, None for 204; raises ApiError for a problem, NotDuebook for other content."""
    if answer.status == 204:
        return None
    try:
        body = json.loads(answer.body)
    except ValueError:
        raise NotDuebook(f"HTTP {answer.status} without JSON") from None
    if 200 <= answer.status < 300:
        return body
    if not isinstance(body, dict) or "code" not in body:
        raise NotDuebook(f"HTTP {answer.status} without the field `code`")
    faults = [Fault(error["pointer"], error["detail"]) for error in body.get("errors", [])]
    raise ApiError(answer.status, body["code"], body.get("detail") or body.get("title") or "", faults)
