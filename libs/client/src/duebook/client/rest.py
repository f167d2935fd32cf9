"""Calls of any route of the REST API, with JSON in and out. The typed methods of `Client` stand above it."""

import random
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from duebook.client.connections import Connections, Send
from duebook.client.environment import address
from duebook.client.errors import ClientError
from duebook.client.headers import request_headers
from duebook.client.steps import Answer, Call, Retries, Sleep, effects, send
from duebook.client.wire import Request, Response

T = TypeVar("T")
_PAGE = 200


class RestClient:
    """Connections to one API with one key. Every method raises a subclass of ClientError if the request fails."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retry_for: float = 30.0,
        send: Send | None = None,
    ) -> None:
        url, key = address(url, key)
        self._headers = request_headers(key)
        self._connections = Connections(url)
        self._send = send or self._connections.send
        self._timeout = timeout
        self._retries = Retries(retry_for, time.monotonic, random.random)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept. A further request opens new ones."""
        self._connections.close()

    def perform(self, call: Call[T], retries: Retries | None = None) -> T:
        """Send the requests of a call, one after the other, and return its result."""
        steps: Any = effects(call, retries or self._retries)
        answer: Answer = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = self._answer(step)

    def _answer(self, step: Request | Sleep) -> Answer:
        if isinstance(step, Sleep):
            time.sleep(step.seconds)
            return None
        try:
            return self._request(step)
        except ClientError as error:
            return error

    def _request(self, request: Request) -> Response:
        headers = {**self._headers, **request.headers}
        return self._send(request.method, request.target, headers, request.content(), self._timeout + request.held)

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer's JSON. Parameters that are None are not sent."""
        return self._json(Request("GET", path, parameters))

    def get_held(self, path: str, held: float) -> Any:
        """The answer's JSON, which the server may hold back for so many seconds."""
        return self._json(Request("GET", path, held=held))

    def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None, held: float = 0) -> Any:
        """The answer's JSON, which the server may hold back for so many seconds.

        Without an Idempotency-Key it is not sent again where its effect is unknown.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        content = {} if body is None else body
        return self._json(Request("POST", path, {}, content, headers, repeatable=bool(headers), held=held))

    def patch(self, path: str, body: Any) -> Any:
        """The answer's JSON; `body` is a merge patch."""
        return self._json(Request("PATCH", path, {}, body))

    def delete(self, path: str) -> None:
        """Delete the resource at the path; nothing is answered."""
        self._json(Request("DELETE", path))

    def response(self, method: str, path: str, **parameters: Any) -> Response:
        """The answer as it is, whatever its status, without a retry. Parameters that are None are not sent."""
        return self._request(Request(method, path, parameters))

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

    def _json(self, request: Request) -> Any:
        return self.perform(send(request, lambda value: value))
