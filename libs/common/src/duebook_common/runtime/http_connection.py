"""A connection of the HTTP server: what arrives is parsed into requests, which are answered one after the other."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import ASGIApp

from duebook_common.runtime.connections import HEAD_BYTES, HEAD_SECONDS, Connections
from duebook_common.runtime.http_exchange import Exchange
from duebook_common.runtime.http_refusal import refusal_bytes

_LAST_REQUEST_SECONDS = 0.5  # a stopping server waits so long for the request of a client that is about to send one
_MOST_UNREAD = 64 * 1024  # bytes of a body: beyond it nothing more is read before the app has read them
_ASGI = {"version": "3.0", "spec_version": "2.3"}


@dataclass(slots=True)
class Serving:
    """What the connections of a server share. `date` is a line of each answer's head; `running` is being answered.

    `ended` is set when a connection or an answer has ended.
    """

    app: ASGIApp
    connections: "Connections[HttpConnection]"
    running: set[Exchange] = field(default_factory=set)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    date: bytes = b""


class HttpConnection(asyncio.Protocol):
    """One connection. The head of each request must arrive in time, and what is not HTTP is answered by a problem."""

    def __init__(self, serving: Serving) -> None:
        self._serving, self._others = serving, serving.connections
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # such data is skipped
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # `connection_made` sets it
        self._addresses: tuple[tuple[str, int] | None, tuple[str, int] | None] = (None, None)
        self._current: Exchange | None = None  # being answered
        self._arriving: Exchange | None = None  # its body is arriving
        self._queued: deque[Exchange] = deque()  # arrived while another one was being answered
        self._waits_since: float | None = None  # for the head of a request, while nothing is being answered
        self._head_bytes = 0
        self._reads = True
        self._writable: asyncio.Event | None = None  # while the client does not read
        self._url, self._headers, self._expects_continue = b"", list[tuple[bytes, bytes]](), False

    # The transport.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._addresses = _address(transport, "sockname"), _address(transport, "peername")
        self._waits_since = self._loop.time()
        surplus = self._others.add(self)
        if surplus is not None:
            surplus.abort()
        if self._others.closing:
            self.shutdown()

    def connection_lost(self, _: Exception | None) -> None:
        self._waits_since = None
        self._others.remove(self)
        self.resume_writing()
        for exchange in (self._current, *self._queued):
            if exchange is not None:
                exchange.disconnect()
        self._queued.clear()
        self._parser = None  # it refers to this object, and only the garbage collector would find the two
        self._serving.ended.set()

    def data_received(self, data: bytes) -> None:
        if self._arriving is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # it is answered as if it asked for HTTP/1.1
            self._end_after_answer()
        except httptools.HttpParserError:
            self._refuse(400, "broken_http", "this is not a valid HTTP/1.1 request")
        else:
            if self._arriving is None and self._head_bytes > HEAD_BYTES:
                self._refuse(431, "head_too_large", f"the head of the request is larger than {HEAD_BYTES // 1024} KiB")

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # The parser.

    def on_message_begin(self) -> None:
        self._url, self._headers, self._expects_continue = b"", [], False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser, url = self._parser, httptools.parse_url(self._url)
        version, path, (server, client) = parser.get_http_version(), url.path.decode("ascii"), self._addresses
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "root_path": "",
            "headers": self._headers,
            "server": server,
            "client": client,
            "state": {},
        }
        keeps = version != "1.0" and not self._others.closing and parser.should_keep_alive()
        exchange = Exchange(self, scope, keep_alive=keeps, expects_continue=self._expects_continue)
        self._arriving, self._head_bytes = exchange, 0
        if self._current is None:
            self._others.busy(self)
            self._begin(exchange)
        else:
            self._queued.append(exchange)
            self._pause_reading()

    def on_body(self, body: bytes) -> None:
        if self._arriving is not None and self._arriving.feed(body) > _MOST_UNREAD:
            self._pause_reading()

    def on_message_complete(self) -> None:
        if self._arriving is not None:
            self._arriving.end_body()
        self._arriving = None

    # The exchange.

    @property
    def date(self) -> bytes:
        return self._serving.date

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def want_body(self) -> None:
        if not self._queued:
            self._resume_reading()

    async def drain(self) -> None:
        if self._writable is not None:
            await self._writable.wait()

    def answered(self) -> None:
        """The current exchange is complete: go on with the next one, or wait for it."""
        exchange, self._current = self._current, None
        if exchange is None or not exchange.keep_alive or self._others.closing:
            self._transport.close()
        elif self._queued:
            self._begin(self._queued.popleft())
        elif not self._transport.is_closing():
            self._waits_since = self._loop.time()
            self._others.idle(self)
        if not self._queued:
            self._resume_reading()

    def ended(self, exchange: Exchange) -> None:
        self._serving.running.discard(exchange)
        self._serving.ended.set()

    def abort(self) -> None:
        self._transport.abort()

    def _begin(self, exchange: Exchange) -> None:
        self._current, self._waits_since = exchange, None
        self._serving.running.add(exchange)
        exchange.task = self._loop.create_task(exchange.run(self._serving.app))

    # The server.

    def expire(self) -> bool:
        """End a connection that has waited too long for the head of a request; returns whether it has."""
        if self._waits_since is None or self._loop.time() - self._waits_since < HEAD_SECONDS:
            return False
        if self._head_bytes:
            self._refuse(408, "head_too_slow", f"the head of the request did not arrive within {HEAD_SECONDS:.0f} s")
        else:
            self._transport.close()  # nothing was asked, so nothing is answered
        return True

    def shutdown(self) -> None:
        """Answer the request under way, or one that is about to arrive, then close."""
        if self._current is None:
            self._loop.call_later(_LAST_REQUEST_SECONDS, self._close_if_idle)
        else:
            self._current.keep_alive = False

    def _close_if_idle(self) -> None:
        if self._current is None:
            self._transport.close()

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """End the connection; but what has arrived as a whole is answered first."""
        current = self._current
        if current is not None and current.received:
            self._end_after_answer()
        elif current is not None and current.started:
            self.abort()
        elif not self._transport.is_closing():
            self._transport.write(refusal_bytes(status, code, detail))
            self._transport.close()

    def _end_after_answer(self) -> None:
        """Read nothing more. What is under way is still answered."""
        self._queued.clear()
        self._pause_reading()
        if self._current is not None:
            self._current.keep_alive = False

    def _pause_reading(self) -> None:
        if self._reads and not self._transport.is_closing():
            self._reads = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reads and not self._transport.is_closing():
            self._reads = True
            self._transport.resume_reading()


def _address(transport: asyncio.Transport, name: str) -> tuple[str, int] | None:
    found = transport.get_extra_info(name)
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None
