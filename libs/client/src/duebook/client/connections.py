"""The transport of `Client`: connections of the standard library, which are kept and may be used by many threads."""

import os
from collections.abc import Callable, Mapping
from http.client import HTTPException, InvalidURL

from duebook.client.connection import Connection, reason, server_of
from duebook.client.errors import InvalidRequest, Unreachable
from duebook.client.wire import Response

# Sends a request: the method, the path with its query, the headers, the body, and the seconds until the answer begins.
Send = Callable[[str, str, Mapping[str, str], bytes | None, float], Response]


class Connections:
    """Each request has a connection of its own; then the connection waits for the next one.

    Raises InvalidRequest for a URL that names no HTTP server.
    """

    def __init__(self, url: str) -> None:
        self._url, self._idle, self._process = url, [self._open(url)], os.getpid()

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        """The answer; raises Unreachable without one, and InvalidRequest for what HTTP cannot carry."""
        connection = self._take()
        try:
            response = connection.request(method, target, headers, body, seconds)
        except (InvalidURL, ValueError) as error:
            raise InvalidRequest(reason(error)) from error
        except (HTTPException, OSError) as error:
            raise Unreachable(f"no answer from {server_of(self._url)}: {reason(error)}") from error
        self._idle.append(connection)
        return response

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection:
        if self._process != os.getpid():  # after a fork the sockets belong to the parent process
            self._idle, self._process = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._open(self._url)

    @staticmethod
    def _open(url: str) -> Connection:
        try:
            return Connection(url)
        except ValueError as error:
            raise InvalidRequest(f"{url!r} is not a URL of an API: {error}") from error
