"""The HTTP server of a service: bounded connections, an orderly end, errors in the shape of all others."""

import asyncio
import socket
from contextlib import suppress
from datetime import timedelta
from email.utils import formatdate
from ipaddress import IPv6Address, ip_address
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from duebook_common.runtime.connections import SPARE, Connections, most_connections
from duebook_common.runtime.health import PROBES
from duebook_common.runtime.http_connection import HttpConnection, Serving
from duebook_common.runtime.http_refusal import answer_crowded

_TICK_SECONDS = 1.0


class HttpServer:
    """Serves an ASGI app at a host and a port, from `start` until `stop`."""

    def __init__(self, app: ASGIApp, host: str, port: int, connections: int) -> None:
        self._app, self._host, self._port = app, host, port
        self._connections: Connections[HttpConnection] = Connections(most_connections(connections))
        self._serving = Serving(self._answer, self._connections)
        self._listener: asyncio.Server | None = None
        self._ticks: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def start(self) -> Self:
        """Listen; raises OSError with the remedy."""
        backlog = self._connections.most + SPARE
        listener = _listen(self._host, self._port, backlog)
        self._port = listener.getsockname()[1]
        self._ticks = asyncio.create_task(self._tick())
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: HttpConnection(self._serving), sock=listener, backlog=backlog)
        return self

    async def stop(self, grace: timedelta) -> None:
        """Close the listener, then finish the requests that were taken; after the grace time they are cancelled."""
        if self._listener is not None:
            self._stopping = self._stopping or asyncio.create_task(self._stop(self._listener, grace))
            await asyncio.shield(self._stopping)

    async def _stop(self, listener: asyncio.Server, grace: timedelta) -> None:
        self._connections.closing = True  # also for connections that are accepted in these moments
        listener.close()
        for connection in self._connections.open:
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(1.0, grace.total_seconds())):
                await self._wait_idle()
        for exchange in self._serving.running:
            if exchange.task is not None:
                exchange.task.cancel()
        while self._serving.running:
            await self._wait_for_end()
        for connection in self._connections.open:
            connection.abort()
        if self._ticks is not None:
            self._ticks.cancel()

    async def _wait_idle(self) -> None:
        while self._connections.open or self._serving.running:
            await self._wait_for_end()

    async def _wait_for_end(self) -> None:
        self._serving.ended.clear()
        await self._serving.ended.wait()

    async def _tick(self) -> None:
        """Each second: renew the date, and end the connections that have waited too long, the oldest first."""
        while True:
            self._serving.date = b"date: %s\r\n" % formatdate(usegmt=True).encode()
            while (oldest := self._connections.oldest) is not None and oldest.expire():
                self._connections.busy(oldest)
            await asyncio.sleep(_TICK_SECONDS)

    @property
    def url(self) -> str:
        return f"http://{_in_url(self._host)}:{self._port}"

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._connections.crowded and scope["path"] not in PROBES:
            await answer_crowded(send)
        else:
            await self._app(scope, receive, send)


def _in_url(host: str) -> str:
    try:
        return f"[{host}]" if isinstance(ip_address(host), IPv6Address) else host
    except ValueError:
        return host


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening socket; on `::` it takes IPv4 as well."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        dual = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=dual)
    except OSError as error:
        reason = f"cannot listen on {_in_url(host)}:{port}: {error.strerror}"
        raise OSError(f"{reason}; set DUEBOOK_HOST and DUEBOOK_PORT") from None
