"""A request and its response, as an ASGI app sees them."""

import asyncio
import re
from http import HTTPStatus
from typing import Protocol

import structlog
from starlette.types import ASGIApp, Message, Scope

from duebook_common.runtime.http_refusal import refusal_bytes

log = structlog.stdlib.get_logger("http")

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
# What would end a line of the head, or begin another one.
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
WHOLE_BODY = "duebook.whole_body"  # an extension of the ASGI scope: see `Exchange.whole_body`
_WITHOUT_BODY = frozenset({204, 304})


class Carrier(Protocol):
    """What an exchange needs of its connection."""

    @property
    def date(self) -> bytes:
        """The line of the head with the date."""

    def write(self, data: bytes) -> None:
        """Send the data."""

    def want_body(self) -> None:
        """Go on to read what arrives."""

    async def drain(self) -> None:
        """Wait while the client does not read."""

    def answered(self) -> None:
        """The response is complete."""

    def ended(self, exchange: "Exchange") -> None:
        """The app has ended its work on the request."""

    def abort(self) -> None:
        """Close the connection at once."""


class Exchange:
    """One request on a connection. `keep_alive`: whether the connection serves another one after it.

    The connection hands over the body as it arrives (`feed`, `end_body`). The head of the response is sent with the
    first part of its body if its length is known, else at once: a stream may begin with a pause.
    """

    __slots__ = (
        "_body",
        "_carrier",
        "_change",
        "_continue",
        "_delivered",
        "_head",
        "_left",
        "chunked",
        "complete",
        "disconnected",
        "keep_alive",
        "received",
        "scope",
        "started",
        "task",
    )

    def __init__(self, carrier: Carrier, scope: Scope, *, keep_alive: bool, expects_continue: bool) -> None:
        self._carrier, self.scope, self.keep_alive, self._continue = carrier, scope, keep_alive, expects_continue
        scope["extensions"] = {WHOLE_BODY: self.whole_body}
        self._body: bytes | bytearray = b""
        self._change: asyncio.Event | None = None
        self._head = b""
        self._left = 0  # bytes of the body that are still to be sent
        self._delivered = self.chunked = False
        self.received = self.started = self.complete = self.disconnected = False
        self.task: asyncio.Task[None] | None = None

    async def run(self, app: ASGIApp) -> None:
        """Let the app answer; what it leaves unanswered ends the connection."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as error:
            log.exception("a request failed", error=error)
        finally:
            if not self.complete and not self.disconnected:
                self._fail()
            del self.scope["extensions"]  # it refers to this object, and only the garbage collector would find the two
            self._carrier.ended(self)

    def _fail(self) -> None:
        if not self.started or self._head:
            self._carrier.write(refusal_bytes(500, "internal", "the request failed; the log of the service says why"))
            self.keep_alive, self.complete = False, True
            self._carrier.answered()
        else:
            self._carrier.abort()

    # What the connection tells.

    def feed(self, data: bytes) -> int:
        """Take in a part of the body; returns how many bytes the app has not read yet."""
        if self.complete:
            return 0
        if not self._body:
            self._body = data
        else:
            if not isinstance(self._body, bytearray):
                self._body = bytearray(self._body)
            self._body += data
        self._notify()
        return len(self._body)

    def end_body(self) -> None:
        self.received = True
        self._notify()

    def disconnect(self) -> None:
        self.disconnected = True
        self._notify()

    def _notify(self) -> None:
        if self._change is not None:
            self._change.set()
            self._change = None

    # What the app calls.

    async def receive(self) -> Message:
        """The next part of the body; after its last one the end of the exchange."""
        while not self.disconnected and not self.complete:
            if self._body or (self.received and not self._delivered):
                body, self._body, self._delivered = self._body, b"", self.received
                return {"type": "http.request", "body": bytes(body), "more_body": not self.received}
            if self._continue:
                self._carrier.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._continue = False
            if not self.received:
                self._carrier.want_body()
            self._change = self._change or asyncio.Event()
            await self._change.wait()
        return {"type": "http.disconnect"}

    def whole_body(self) -> bytes | None:
        """The body, if all of it has arrived and nothing of it was read: without waiting for what is there."""
        if not self.received or self._delivered or self.disconnected:
            return None
        body, self._body, self._delivered = self._body, b"", True
        return bytes(body)

    async def send(self, message: Message) -> None:
        """Send the head, or a part of the body; waits while the client does not read."""
        await self._carrier.drain()
        if self.disconnected:
            return
        if not self.started:
            self._start(message["status"], message.get("headers", ()))
        elif self.complete:
            raise RuntimeError("the response was complete already")
        else:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        length, head = self._head_of(status, headers)
        self.started, self._continue = True, False
        has_body = self.scope["method"] != "HEAD" and status not in _WITHOUT_BODY
        if has_body and length is None:
            self.chunked = self.scope["http_version"] != "1.0"
            head += b"transfer-encoding: chunked\r\n" if self.chunked else b""
            self.keep_alive = self.keep_alive and self.chunked
        self._left = 0 if not has_body else -1 if length is None else length
        self._head = head + (b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        if self._left < 0:
            self._flush(b"")

    def _head_of(self, status: int, headers: list[tuple[bytes, bytes]]) -> tuple[int | None, bytes]:
        """The length of the body that the headers tell, and the lines of the head."""
        length, lines = None, [_STATUS_LINES[status], self._carrier.date]
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                self.keep_alive = self.keep_alive and b"close" not in value.lower()
                continue
            if _FORBIDDEN.search(value) or _FORBIDDEN.search(name):
                raise RuntimeError(f"the header {name!r} has a control character")
            lines += (name, b": ", value, b"\r\n")
        return length, b"".join(lines)

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self._left < 0:
            self._flush(self._chunk(body, more=more))
        elif self._left == 0 and self.scope["method"] == "HEAD":
            self._flush(b"")
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                self._head, self._left = b"", 0
                raise RuntimeError("the body has another length than its header says")
            self._flush(body)
        if not more:
            self.complete = True
            self._notify()
            self._carrier.answered()

    def _chunk(self, body: bytes, *, more: bool) -> bytes:
        if not self.chunked:
            return body
        return (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")

    def _flush(self, body: bytes) -> None:
        if data := self._head + body:
            self._carrier.write(data)
        self._head = b""
