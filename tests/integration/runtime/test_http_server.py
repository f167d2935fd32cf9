"""Where the HTTP server of a service listens, and what it calls itself."""

import asyncio
import socket
from contextlib import suppress
from datetime import timedelta

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from duebook_common.runtime.http_server import HttpServer

APP = PlainTextResponse("here")
NOW = timedelta(0)


async def answers(address: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("host", "shown", "addresses"),
    [
        ("::", "[::]", ["::1", "127.0.0.1"]),
        ("::1", "[::1]", ["::1"]),
        ("0.0.0.0", "0.0.0.0", ["127.0.0.1"]),
        ("127.0.0.1", "127.0.0.1", ["127.0.0.1"]),
        ("localhost", "localhost", ["localhost"]),
    ],
)
async def test_it_listens_where_it_says(host: str, shown: str, addresses: list[str], unused_tcp_port: int) -> None:
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    server = await HttpServer(APP, host, unused_tcp_port, 8).start()
    try:
        assert server.url == f"http://{shown}:{unused_tcp_port}"
        for address in addresses:
            assert await answers(address, unused_tcp_port)
    finally:
        await server.stop(NOW)


async def test_a_port_in_use_is_named_with_the_remedy(unused_tcp_port: int) -> None:
    server = await HttpServer(APP, "127.0.0.1", unused_tcp_port, 8).start()
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{unused_tcp_port}: .*; set DUEBOOK_HOST and"):
        await HttpServer(APP, "127.0.0.1", unused_tcp_port, 8).start()
    await server.stop(NOW)


async def test_a_head_that_never_ends_is_refused(unused_tcp_port: int) -> None:
    server = await HttpServer(APP, "127.0.0.1", unused_tcp_port, 8).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    writer.write(b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(100)))
    assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
    writer.close()
    await server.stop(NOW)


@pytest.mark.parametrize(("size", "status"), [(64, b"200"), (70, b"431")])
async def test_a_head_that_arrives_in_one_read_has_the_same_limit(
    size: int, status: bytes, unused_tcp_port: int
) -> None:
    server = await HttpServer(APP, "127.0.0.1", unused_tcp_port, 8).start()
    start, end = b"POST / HTTP/1.1\r\nContent-Length: 9\r\nX: ", b"\r\n\r\n"
    head = start + b"y" * (size * 1024 - len(start) - len(end)) + end
    with socket.create_connection(("127.0.0.1", unused_tcp_port)) as client:
        client.sendall(head + b"some body")  # the server's loop stands still, so it reads all of it at once
        assert (await asyncio.to_thread(client.recv, 1000)).startswith(b"HTTP/1.1 %s " % status)
    await server.stop(NOW)


async def test_a_head_that_never_ends_behind_a_request_that_waits_closes_the_connection(unused_tcp_port: int) -> None:
    """Answered it cannot be: the answer to the request before it is due first."""
    answer = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer.wait()
        await APP(scope, receive, send)

    server = await HttpServer(app, "127.0.0.1", unused_tcp_port, 8).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n" + b"GET / HTTP/1.1\r\nX: " + b"y" * 4_000_000)
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 60) == b""
    answer.set()
    writer.close()
    await server.stop(NOW)


async def test_requests_that_follow_one_another_at_once_are_all_answered(unused_tcp_port: int) -> None:
    server = await HttpServer(APP, "127.0.0.1", unused_tcp_port, 8).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    head = b"GET / HTTP/1.1\r\nX: " + b"y" * 1000
    writer.write((head + b"\r\n\r\n") * 200 + head + b"\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).count(b"HTTP/1.1 200 ") == 201
    writer.close()
    await server.stop(NOW)


@pytest.mark.parametrize("protocol", [b"websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13", b"h2c"])
async def test_a_client_that_asks_for_another_protocol_is_answered_in_http(
    protocol: bytes, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = await HttpServer(APP, "127.0.0.1", unused_tcp_port, 8).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert not caplog.records, "no client can fill the log"
    writer.close()
    await server.stop(NOW)


async def test_a_connection_that_is_accepted_while_the_server_stops_gets_one_answer(unused_tcp_port: int) -> None:
    server = await HttpServer(APP, "127.0.0.1", unused_tcp_port, 8).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    server._connections.closing = True  # as `stop` does first; uvicorn closes the listener some moments later
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await reader.read()
    assert b"connection: close" in answer
    writer.close()
    await server.stop(NOW)
