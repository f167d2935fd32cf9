"""A bound on what a server sends before its answer: interim answers (1xx) without end would keep the executor busy."""

import ssl
from typing import Any

import httpcore2

LARGEST_HEAD = 256 * 1024  # bytes, interim answers included


class HeadLimit(httpcore2.AsyncNetworkBackend):
    """Connections of one request, which may send so many bytes until `head_has_come` is set."""

    def __init__(self, backend: httpcore2.AsyncNetworkBackend) -> None:
        self._backend = backend
        self.left, self.head_has_come = LARGEST_HEAD, False

    def count(self, data: bytes) -> None:
        """Raises RemoteProtocolError beyond the limit."""
        self.left -= len(data)
        if self.left < 0 and not self.head_has_come:
            raise httpcore2.RemoteProtocolError(f"the answer did not begin within {LARGEST_HEAD} bytes")

    async def connect_tcp(self, *address: Any, **options: Any) -> httpcore2.AsyncNetworkStream:
        return _CountedStream(await self._backend.connect_tcp(*address, **options), self)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class _CountedStream(httpcore2.AsyncNetworkStream):
    def __init__(self, stream: httpcore2.AsyncNetworkStream, limit: HeadLimit) -> None:
        self._stream, self._limit = stream, limit

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        self._limit.count(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return _CountedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._limit)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
