"""What a connection of the HTTP server does with whole, broken, slow, early and many requests."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from duebook_common.runtime import http_connection
from duebook_common.runtime.http_exchange import WHOLE_BODY, Exchange
from duebook_common.runtime.http_server import HttpServer

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
NOW = timedelta(0)


async def body_of(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        body, more = body + message["body"], message["more_body"]
    return body


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the method, the path and the body."""
    body = await body_of(receive)
    text = b"%s %s %s" % (scope["method"].encode(), scope["path"].encode(), body)
    await PlainTextResponse(text)(scope, receive, send)


@asynccontextmanager
async def serving(app: ASGIApp, port: int) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    """A server; the function opens a connection to it."""
    server = await HttpServer(app, "127.0.0.1", port, 8).start()
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in opened:
            writer.close()
        await server.stop(NOW)


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head and the body of one answer whose length is known."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
    return head, await reader.readexactly(length)


async def test_pipelined_requests_are_answered_in_their_order(unused_tcp_port: int) -> None:
    async def slow_first(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05 if scope["path"] == "/0" else 0)
        await echo(scope, receive, send)

    async with serving(slow_first, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(b"".join(GET % str(n).encode() for n in range(50)))
        for n in range(50):
            assert (await read_answer(reader))[1] == b"GET /%d " % n


async def test_a_body_arrives_in_chunks_and_in_pieces(unused_tcp_port: int) -> None:
    async with serving(echo, unused_tcp_port) as connect:
        reader, writer = await connect()
        for piece in (b"POST / HT", b"TP/1.1\r\nHost: x\r\nTransfer-Encoding: chun", b"ked\r\n\r\n3\r\nab", b"c\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.01)
        writer.write(b"1\r\nd\r\n0\r\n\r\n" + GET % b"next")
        assert (await read_answer(reader))[1] == b"POST / abcd"
        assert (await read_answer(reader))[1] == b"GET /next "


@pytest.mark.parametrize(("pause", "answer"), [(0.0, b"whole abcd"), (0.05, b"parts abcd")])
async def test_an_app_takes_a_body_as_a_whole_if_it_is_there(pause: float, answer: bytes, unused_tcp_port: int) -> None:
    async def taking(scope: Scope, receive: Receive, send: Send) -> None:
        body, kind = scope["extensions"][WHOLE_BODY](), b"whole"
        if body is None:
            body, kind = await body_of(receive), b"parts"
        assert scope["extensions"][WHOLE_BODY]() is None, "it is there once"
        await PlainTextResponse(b"%s %s" % (kind, body))(scope, receive, send)

    async with serving(taking, unused_tcp_port) as connect:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n" + (b"ab" if pause else b"abcd"))
            await asyncio.sleep(pause)
            writer.write(b"cd" if pause else b"")
            assert (await read_answer(reader))[1] == answer


async def test_an_answer_leaves_no_garbage(unused_tcp_port: int) -> None:
    """What only the garbage collector finds costs a search of all objects."""
    async with serving(echo, unused_tcp_port) as connect:
        reader, writer = await connect()
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                writer.write(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd")
                await read_answer(reader)
            assert sum(isinstance(each, Exchange) for each in gc.get_objects()) < 5
        finally:
            gc.enable()


async def test_a_large_body_is_read_no_faster_than_the_app_takes_it(unused_tcp_port: int) -> None:
    taken = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await taken.wait()
        await PlainTextResponse(str(len(await body_of(receive))))(scope, receive, send)

    async with serving(late, unused_tcp_port) as connect:
        reader, writer = await connect()
        size = 30_000_000
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
        sending = asyncio.create_task(sent(writer, b"x" * size))
        await asyncio.sleep(0.2)
        assert not sending.done(), "the server takes no more than the buffers of the system hold"
        taken.set()
        assert (await read_answer(reader))[1] == b"%d" % size
        await sending


async def sent(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    writer.transport.set_write_buffer_limits(0)
    await writer.drain()


async def test_the_rest_of_a_body_is_dropped_after_an_early_answer(unused_tcp_port: int) -> None:
    async with serving(PlainTextResponse("early"), unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        assert (await read_answer(reader))[1] == b"early"
        writer.write(b"x" * 1_000_000 + GET % b"next")
        assert (await read_answer(reader))[1] == b"early"


async def test_a_client_that_asks_first_may_continue(unused_tcp_port: int) -> None:
    async with serving(echo, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ab")
        assert (await read_answer(reader))[1] == b"POST / ab"


@pytest.mark.parametrize(
    ("head", "closes"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\n\r\n", False),
    ],
)
async def test_an_answer_says_whether_it_is_the_last(head: bytes, closes: bool, unused_tcp_port: int) -> None:
    async with serving(echo, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(head)
        answer, _ = await read_answer(reader)
        assert (b"connection: close" in answer) is closes
        if closes:
            assert await reader.read() == b""


async def test_a_head_without_its_body_has_the_length_of_both(unused_tcp_port: int) -> None:
    async with serving(PlainTextResponse("four"), unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(b"HEAD / HTTP/1.1\r\n\r\n" + GET % b"")
        assert b"content-length: 4" in await reader.readuntil(b"\r\n\r\n")
        assert (await read_answer(reader))[1] == b"four"


async def streaming(_: Scope, receive: Receive, send: Send) -> None:
    """Sends two parts whose length is not known, and an empty one between them, which must not end the chunks."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})


@pytest.mark.parametrize(("version", "body"), [(b"1.1", b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), (b"1.0", b"onetwo")])
async def test_a_stream_has_chunks_if_the_client_knows_them(version: bytes, body: bytes, unused_tcp_port: int) -> None:
    async with serving(streaming, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/%s\r\nConnection: close\r\n\r\n" % version)
        assert (await reader.read()).partition(b"\r\n\r\n")[2] == body


async def test_the_head_of_a_stream_does_not_wait_for_its_body(unused_tcp_port: int) -> None:
    end = asyncio.Event()

    async def pausing(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await end.wait()
        await send({"type": "http.response.body", "body": b""})

    async with serving(pausing, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(GET % b"")
        assert b"transfer-encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
        end.set()
        assert await reader.readexactly(5) == b"0\r\n\r\n"


async def test_an_app_hears_that_its_client_is_gone(unused_tcp_port: int) -> None:
    heard: asyncio.Queue[Message] = asyncio.Queue()

    async def listening(_: Scope, receive: Receive, send: Send) -> None:
        heard.put_nowait(await receive())
        heard.put_nowait(await receive())

    async with serving(listening, unused_tcp_port) as connect:
        _, writer = await connect()
        writer.write(GET % b"")
        assert (await heard.get())["type"] == "http.request"
        writer.close()
        async with asyncio.timeout(10):
            assert (await heard.get())["type"] == "http.disconnect"


async def test_an_app_waits_for_a_client_that_does_not_read(unused_tcp_port: int) -> None:
    parts = 0

    async def endless(_: Scope, receive: Receive, send: Send) -> None:
        nonlocal parts
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while parts < 1_000:
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            parts += 1

    async with serving(endless, unused_tcp_port) as connect:
        _, writer = await connect()
        writer.write(GET % b"")
        await asyncio.sleep(0.3)
        assert 0 < parts < 200


@pytest.mark.parametrize(
    "text", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET  / X\r\n\r\n"]
)
async def test_what_is_no_request_ends_the_connection_after_the_answer_before_it(
    text: bytes, unused_tcp_port: int
) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05)
        await echo(scope, receive, send)

    async with serving(slow, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(GET % b"first" + text)
        assert (await read_answer(reader))[1] == b"GET /first "
        assert await reader.read() == b""
        reader, writer = await connect()
        writer.write(text)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


async def test_a_broken_body_is_answered_and_its_app_hears_of_it(unused_tcp_port: int) -> None:
    ended = asyncio.Event()

    async def reading(_: Scope, receive: Receive, send: Send) -> None:
        with suppress(ConnectionError):
            await body_of(receive)
        ended.set()

    async with serving(reading, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        async with asyncio.timeout(10):
            await ended.wait()


async def test_a_long_head_behind_a_request_that_is_being_answered_ends_there(unused_tcp_port: int) -> None:
    go = asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await echo(scope, receive, send)

    async with serving(waiting, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(GET % b"first")
        await asyncio.sleep(0.05)
        writer.write(b"GET / HTTP/1.1\r\n")
        for _ in range(100):
            writer.write(b"X: %s\r\n" % (b"y" * 1000))
            await asyncio.sleep(0)
        go.set()
        assert (await read_answer(reader))[1] == b"GET /first "
        with suppress(ConnectionResetError):
            assert await reader.read() == b""


@pytest.mark.parametrize(("text", "answer"), [(b"", b""), (b"GET / HTTP/1.1\r\nHost: x\r\n", b"HTTP/1.1 408 ")])
async def test_a_head_that_does_not_arrive_in_time_ends_the_connection(
    text: bytes, answer: bytes, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "HEAD_SECONDS", 0.1)
    async with serving(echo, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(text)
        async with asyncio.timeout(10):
            assert (await reader.read())[:13] == answer


@pytest.mark.parametrize("value", [b"a\r\nx-injected: 1", b"a\0"])
async def test_a_header_that_would_be_two_is_refused(value: bytes, unused_tcp_port: int) -> None:
    async def injected(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"location", value)]})

    async with serving(injected, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(GET % b"")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"x-injected" not in answer


@pytest.mark.parametrize(("length", "body"), [(3, b"four"), (5, b"four")])
async def test_a_body_of_another_length_than_its_head_says_is_not_sent(
    length: int, body: bytes, unused_tcp_port: int
) -> None:
    async def wrong(_: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with serving(wrong, unused_tcp_port) as connect:
        reader, writer = await connect()
        writer.write(GET % b"")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""


async def test_what_is_not_answered_in_the_grace_time_is_cancelled(unused_tcp_port: int) -> None:
    cancelled = asyncio.Event()

    async def stuck(_: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    server = await HttpServer(stuck, "127.0.0.1", unused_tcp_port, 8).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    writer.write(GET % b"")
    await asyncio.sleep(0.1)
    async with asyncio.timeout(20):
        await asyncio.gather(server.stop(NOW), server.stop(NOW))
    assert cancelled.is_set()
    assert (await reader.read()).startswith(b"HTTP/1.1 500 ")
    writer.close()
