"""The transport of `AsyncClient`, by httpx2: the standard library has no HTTP for asyncio."""

from collections.abc import Awaitable, Callable, Mapping

import httpx2

from duebook.client.connection import is_loopback, reason, server_of
from duebook.client.errors import InvalidRequest, Unreachable
from duebook.client.wire import Response

# Like `Send`, and awaited.
AsyncSend = Callable[[str, str, Mapping[str, str], bytes | None, float], Awaitable[Response]]
_LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20)


class AsyncConnections:
    """A pool of connections to one API. Raises InvalidRequest for a URL that names no HTTP server."""

    def __init__(self, url: str, *, with_key: bool) -> None:
        self._url = _url(url)
        if with_key:  # the user and password of a URL would replace the key
            self._url = self._url.copy_with(username=None, password=None)
        self._base = self._url.path.rstrip("/")
        # A proxy that the environment names cannot reach this machine.
        self._http = httpx2.AsyncClient(limits=_LIMITS, trust_env=not is_loopback(self._url.host))

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        """The answer; raises Unreachable without one, and InvalidRequest for what HTTP cannot carry."""
        path = f"{self._base}{target}".encode()
        try:
            url = self._url.copy_with(raw_path=path)
            answer = await self._http.request(method, url, headers=headers, content=body, timeout=seconds)
        except (httpx2.InvalidURL, ValueError) as error:
            raise InvalidRequest(reason(error)) from error
        except (httpx2.HTTPError, OSError) as error:
            raise Unreachable(f"no answer from {server_of(str(self._url))}: {reason(error)}") from error
        return Response(answer.status_code, answer.content, {name.lower(): it for name, it in answer.headers.items()})

    async def close(self) -> None:
        await self._http.aclose()


def _url(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise InvalidRequest(f"{text!r} is not a URL of an API: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host or not 0 < (url.port or 1) < 65_536:
        raise InvalidRequest(f"{text!r} is not a URL of an API: it must begin with http:// or https:// and name a host")
    return url
