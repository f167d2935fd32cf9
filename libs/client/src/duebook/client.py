"""A small synchronous client of the REST API.

with Client("http://127.0.0.1:8000", key) as api:
    job = api.post("/api/job", {"name": "nightly report"})
    for run in api.items(f"/api/job/{job['id']}/runs", limit=20):
        ...
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import httpx2

_PAGE = 200


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

    def __init__(
        self, url: str, key: str | None = None, *, seconds: float = 30, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self._http = _open(url, key, seconds, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer's JSON. Parameters that are None are not sent."""
        return self._request("GET", path, params=_without_none(parameters))

    def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._request("POST", path, json={} if body is None else body, headers=headers)

    def delete(self, path: str) -> None:
        self._request("DELETE", path)

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

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx2.TransportError as error:
            raise Unreachable(_reason(error)) from error
        except (httpx2.RequestError, httpx2.InvalidURL, ValueError) as error:
            raise InvalidRequest(_reason(error)) from error
        return _read(answer)


def _open(url: str, key: str | None, seconds: float, transport: httpx2.BaseTransport | None) -> httpx2.Client:
    if key is not None and not (key.isascii() and key.isprintable() and key.strip()):
        raise InvalidRequest("the key must be one line of printable ASCII characters")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        base = httpx2.URL(url)
        if base.scheme not in {"http", "https"} or not base.host or (base.port or 0) > 65535:
            raise InvalidRequest(f"{url!r} is not an http:// or https:// URL")
        use_proxy = not _loopback(base.host)  # a proxy cannot reach a server on this machine
        return httpx2.Client(base_url=base, headers=headers, timeout=seconds, trust_env=use_proxy, transport=transport)
    except (httpx2.InvalidURL, ValueError, OSError) as error:
        raise InvalidRequest(f"{url!r}: {_reason(error)}") from error


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _without_none(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _read(answer: httpx2.Response) -> Any:
    """The JSON of a successful answer, None for 204; raises ApiError for a problem, NotDuebook for other content."""
    if answer.status_code == 204:
        return None
    try:
        body = answer.json()
    except ValueError:
        raise NotDuebook(f"HTTP {answer.status_code} without JSON") from None
    if answer.is_success:
        return body
    if not isinstance(body, dict) or "code" not in body:
        raise NotDuebook(f"HTTP {answer.status_code} without the field `code`")
    faults = [Fault(error["pointer"], error["detail"]) for error in body.get("errors", [])]
    raise ApiError(answer.status_code, body["code"], body.get("detail") or body.get("title") or "", faults)
