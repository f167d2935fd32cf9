"""A real HTTP server on loopback, and a task run against it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from duebook.context import Context, Line, PrintingSink
from duebook.tasks import Task
from duebook_executor.builtin.egress import parse_allow
from duebook_executor.builtin.resolver import Address

LOOPBACK = parse_allow("127.0.0.0/8,::1")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Server:
    """A real HTTP server that sends every client the same bytes, and records the requests."""

    response: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    client_left: asyncio.Event = field(default_factory=asyncio.Event)
    endless: bytes = b""
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
            self.requests.append(head + body)
            writer.write(self.response)
            await writer.drain()
            while self.endless:
                writer.write(self.endless)
                await writer.drain()
        self.client_left.set()
        writer.close()

    def head(self) -> dict[str, str]:
        lines = self.requests[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def response(status: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""])
    return head.encode() + body


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    server = Server()
    async with await asyncio.start_server(server.serve, host, 0, ssl=tls) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


class MessageSink(PrintingSink):
    """Hands on the messages of log lines."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take

    def log(self, line: Line) -> None:
        self._take(line.message)


def context(log: Callable[[str], None] = print) -> Context:
    return Context(
        run_id=UUID(int=1),
        job_id=UUID(int=2),
        attempt=3,
        nominal_at=datetime(2026, 1, 1, tzinfo=UTC),
        idempotency_key=f"{UUID(int=1)}.2",
        headers={"traceparent": TRACE, "x-secret": "no"},
        sink=MessageSink(log),
    )


async def run(task: Task, payload: dict[str, Any], log: Callable[[str], None] = print) -> Any:
    return await asyncio.wait_for(task.function(*task.arguments(payload, context(log))), 30)


def fixed(*addresses: str) -> Callable[[str, int], Awaitable[list[Address]]]:
    async def resolve(host: str, port: int) -> list[Address]:
        return [ip_address(address) for address in addresses]

    return resolve
