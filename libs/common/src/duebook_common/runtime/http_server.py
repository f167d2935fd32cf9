"""The HTTP server of a service: bounded connections, an orderly end, errors in the shape of all others."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import Any, Self

import uuid_utils.compat as uuids
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from duebook_common.runtime.connections import HEAD_BYTES, HEAD_SECONDS, SPARE, Connections, most_connections
from duebook_common.runtime.health import PROBES
from duebook_common.runtime.loops import wait_until_set

_LAST_REQUEST_SECONDS = 0.5  # a stopping server waits so long for the request of a client that is about to send one


class HttpServer:
    """Serves an ASGI app at a host and a port, from `start` until `stop`."""

    def __init__(self, app: ASGIApp, host: str, port: int, connections: int) -> None:
        self._app, self._host, self._port = app, host, port
        self._connections: Connections[_Protocol] = Connections(most_connections(connections))
        self._serving: asyncio.Task[None] | None = None
        self._server: _Server | None = None

    async def start(self) -> Self:
        """Listen; raises OSError with the remedy."""
        backlog = self._connections.most + SPARE
        listener = _listen(self._host, self._port, backlog)
        self._port = listener.getsockname()[1]
        protocol: Any = partial(_Protocol, self._connections)
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=protocol,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            backlog=backlog,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        return self

    async def stop(self, grace: timedelta) -> None:
        """Close the listener, then finish the requests that were taken; after the grace time they are cancelled."""
        if self._server is None or self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, int(grace.total_seconds()))
        self._connections.closing = True  # also for connections that are accepted in these moments
        self._server.end()
        await asyncio.shield(self._serving)

    @property
    def url(self) -> str:
        return f"http://{_in_url(self._host)}:{self._port}"

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._connections.crowded and scope.get("path") not in PROBES:
            await _answer_crowded(send)
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


class _Server(uvicorn.Server):
    """A server without signal handlers, which the service has, and without ten wake-ups a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._exit = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._exit.set()

    async def main_loop(self) -> None:
        """Renew the header with the date each second until the end; the base class looks for it ten times as often."""
        while not await self.on_tick(0):
            await wait_until_set(self._exit, 1)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class JoiningTransport:
    """Writes the head of an answer together with its body, where that follows at once: a system call less for each."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._head = transport, loop, b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.endswith(b"\r\n\r\n"):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Protocol(HttpToolsProtocol):
    """One connection. The head of each request must arrive in time, and what is not HTTP is answered by a problem."""

    def __init__(self, others: "Connections[_Protocol]", *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._others = others
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head, self._head_bytes = True, 0  # also of a request that follows one which is not answered yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoiningTransport(transport, self.loop))  # type: ignore[arg-type]
        self._await_head()
        surplus = self._others.add(self)
        if surplus is not None:
            surplus.transport.abort()
        if self._others.closing:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self._others.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; of a head no more than may be: what is read beyond it shows that it is too large."""
        while data and not self.transport.is_closing():
            most = HEAD_BYTES - self._head_bytes if self._in_head else len(data)
            if most <= 0:
                self._refuse_head()
                return
            if self._in_head:
                self._head_bytes += len(data[:most])
            super().data_received(data[:most])
            data = data[most:]

    def _refuse_head(self) -> None:
        if self._is_answering():
            self.transport.abort()  # the answer to the request before it is due first
        else:
            self._refuse(431, "head_too_large", f"the head of the request is larger than {HEAD_BYTES // 1024} KiB")

    def on_headers_complete(self) -> None:
        self._stop_clock()
        self._in_head = False
        self._others.busy(self)
        super().on_headers_complete()
        if self._others.closing:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None and not self.transport.is_closing():  # no further request has come
            self._others.idle(self)
            self._await_head()

    def shutdown(self) -> None:
        """Answer the request under way, or one that is about to arrive, then close."""
        if self._is_answering():
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(_LAST_REQUEST_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if not self._is_answering():
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._head_too_slow)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_too_slow(self) -> None:
        if not self._head_bytes:
            self.transport.close()  # nothing was asked, so nothing is answered
        else:
            self._refuse(408, "head_too_slow", f"the head of the request did not arrive within {HEAD_SECONDS:.0f} s")

    def _unsupported_upgrade_warning(self) -> None:
        """A client that asks for another protocol is answered in HTTP, and cannot fill the log."""

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "broken_http", f"this is not a valid HTTP/1.1 request: {msg}")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        head, body = _problem(status, code, detail)
        lines = b"".join(b"%s: %s\r\n" % header for header in head)
        self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, _TITLES[status].encode(), lines, body))
        self.transport.close()


_TITLES = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def _problem(status: int, code: str, detail: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of a problem that closes its connection."""
    problem = {
        "type": f"https://duebook.dev/problems/{code}",
        "title": _TITLES[status],
        "status": status,
        "detail": detail,
        "instance": f"urn:uuid:{uuids.uuid7()}",
        "code": code,
    }
    body = json.dumps(problem).encode()
    size = str(len(body)).encode()
    return [(b"content-type", b"application/problem+json"), (b"content-length", size), (b"connection", b"close")], body


async def _answer_crowded(send: Send) -> None:
    head, body = _problem(503, "crowded", "too many connections are open; try again")
    await send({"type": "http.response.start", "status": 503, "headers": [*head, (b"retry-after", b"1")]})
    await send({"type": "http.response.body", "body": body})
