"""The stream of all events: every event exactly once, in order, after any position."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx2
import pytest
from starlette.types import Message, Scope

from duebook_api.access.api_keys import ApiKeys
from duebook_api.app import build
from duebook_api.http import positions
from duebook_api.http.positions import LOG_START, Position
from duebook_api.state.feed import Feed
from duebook_common.runtime.api_keys import make_key
from duebook_common.runtime.health import Health
from duebook_common.store.database import Pool, transaction
from duebook_common.store.eventstore import append
from support.api_app import Api
from support.api_process import api_process, exit_code, wait_until_ready
from support.bookkeeping import eventually
from support.event_log import append_all, pause_events, positions_in_order, stepped

STREAM: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/api/events/stream",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
}


def events_in(chunk: bytes) -> list[dict[str, Any]]:
    """The events of a chunk of the stream; `id` and `event` repeat the position and the type."""
    events = []
    for block in chunk.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "data" in fields:
            event = json.loads(fields["data"])
            assert (fields["id"], fields["event"]) == (event["position"], event["type"])
            events.append(event)
    return events


async def take(feed: Feed, after: Position, count: int, *, slowly: bool = False) -> list[str]:
    """At least `count` positions from a stream."""
    got: list[str] = []
    with feed.reserve_stream("a client"):
        async with asyncio.timeout(60), aclosing(feed.stream(after)) as stream:
            async for chunk in stream:
                got += [event["position"] for event in events_in(chunk)]
                if len(got) >= count:
                    break
                await asyncio.sleep(random.uniform(0, 0.2) if slowly else 0)
    return got


async def writes(pool: Pool, prefix: str, count: int) -> None:
    """Concurrent transactions that commit in another order than they started."""
    slots = asyncio.Semaphore(8)

    async def one(n: int) -> None:
        async with slots, transaction(pool) as db:
            await append(db, [pause_events(f"{prefix}-{n}", random.randint(1, 3))])
            await asyncio.sleep(random.uniform(0, 0.1))

    await asyncio.gather(*map(one, range(count)))


async def test_every_reader_gets_every_event_once_and_in_order(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the beginning and the middle, slow and fast readers, behind the recent events, with many writers."""
    monkeypatch.setattr("duebook_api.state.feed._KEPT", 30)
    monkeypatch.setattr("duebook_api.state.feed._KEPT_BYTES", 5_000)
    monkeypatch.setattr("duebook_api.state.feed._CHUNK_BYTES", 500)
    monkeypatch.setattr("duebook_api.state.feed._BATCH", 7)
    await writes(pool, "before", 40)
    feed, before = Feed(pool), await positions_in_order(pool)
    middle = positions.parse(before[len(before) // 2])
    starts = [LOG_START, LOG_START, middle, middle]
    async with stepped(feed):
        reading = [
            asyncio.create_task(take(feed, start, len(before) - skipped(before, start) + 100, slowly=bool(n % 2)))
            for n, start in enumerate(starts)
        ]
        await writes(pool, "meanwhile", 80)
        await append_all(pool, *(pause_events(f"end-{n}") for n in range(100)))
        got = [await reader for reader in reading]
    everything = await positions_in_order(pool)
    for start, read in zip(starts, got, strict=True):
        first = skipped(everything, start)
        assert read == everything[first : first + len(read)]
    assert feed.streams == 0


def skipped(everything: list[str], after: Position) -> int:
    return sum(positions.parse(position) <= after for position in everything)


async def test_without_streams_the_feed_reads_nothing(pool: Pool) -> None:
    await append_all(pool, pause_events(f"job-{UUID(int=1)}"))
    feed = Feed(pool)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(stepped(feed))
        await take(feed, LOG_START, 1)
    assert (feed.streams, await feed.step(), feed._recent) == (0, 0, None)


async def test_a_stream_beyond_the_limit_is_refused_with_retry_after(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if all clients connect at once."""
    monkeypatch.setattr("duebook_api.state.feed._MOST_STREAMS", 3)
    requests = [asyncio.create_task(api.http.get("/api/events/stream")) for _ in range(30)]

    async def refused() -> bool:
        return sum(each.done() for each in requests) == 27

    await eventually(refused)
    assert api.deps.feed.streams == 3
    api.deps.feed.close()
    answers = await asyncio.gather(*requests)
    found = [(answer.headers.get("retry-after"), answer.status_code) for answer in answers]
    assert (found.count(("5", 503)), found.count((None, 200))) == (27, 3)
    assert {answer.json()["code"] for answer in answers if answer.status_code == 503} == {"too_many_streams"}
    assert api.deps.feed.streams == 0


async def test_a_client_that_does_not_receive_is_disconnected(
    api: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duebook_api.events.stream._SEND_TIMEOUT", 0.1)
    await append_all(pool, pause_events(f"job-{UUID(int=1)}"))
    sending = asyncio.Event()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            sending.set()
            await asyncio.Event().wait()

    async with asyncio.timeout(30):
        await build(api.deps, Health(), None)(STREAM, receive, send)
    assert (sending.is_set(), api.deps.feed.streams) == (True, 0)


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
async def test_a_stream_ends_soon_after_its_key(api: Api, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duebook_api.state.feed._ASK_AGAIN", 0.05)
    monkeypatch.setattr("duebook_api.access.api_keys._CACHE_SECONDS", 0.05)
    key, hash_ = make_key("streamer", "secret")
    add = "INSERT INTO keys (key_id, name, hash, scopes) VALUES ('streamer', 'test', $1, '{read}')"
    await api.deps.pool.execute(add, hash_)
    sent: list[Message] = []
    opened = asyncio.Event()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            opened.set()

    scope = {**STREAM, "headers": [*STREAM["headers"], (b"authorization", f"Bearer {key}".encode())]}
    streaming = asyncio.ensure_future(build(api.deps, Health(), ApiKeys(api.deps.pool, None))(scope, receive, send))
    async with asyncio.timeout(30):
        await opened.wait()
        await api.deps.pool.execute(f"UPDATE keys SET {end} = now()")
        await streaming
    assert sent[0]["status"] == 200
    assert not sent[-1]["more_body"]


async def test_a_quiet_stream_sends_heartbeats_and_ends_after_its_time(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(step=0.01)  # each look at it takes as long, on any machine
    monkeypatch.setattr("duebook_api.state.feed.time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr("duebook_api.state.feed._HEARTBEAT", 0.02)
    feed = Feed(pool, max_seconds=0.2)
    async with asyncio.timeout(30):
        with feed.reserve_stream("a client"):
            chunks = [chunk async for chunk in feed.stream(LOG_START)]
    assert chunks[0] == b"retry: 1000\n\n"
    assert set(chunks[1:]) == {b": nothing new\n\n"}


async def test_a_stream_resumes_survives_an_outage_and_ends_with_its_server(
    postgres_url: str, pool: Pool, unused_tcp_port: int
) -> None:
    async with api_process(postgres_url, unused_tcp_port) as (process, http):
        await wait_until_ready(http)
        head = await http.head("/api/events/stream")
        assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        await create(http, "one")
        async with open_stream(http) as stream:
            (one,) = await stream.take(1)
            await create(http, "two")
            (two,) = await stream.take(1)
            terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'duebook-api'"
            await pool.fetch(f"{terminate} AND datname = current_database()")
            await create(http, "three")
            async with open_stream(http, Last_Event_ID=one) as resumed:
                assert await resumed.take(2) == [two, *await stream.take(1)]
            process.terminate()
            async with asyncio.timeout(15):  # less than the server waits for open requests
                await stream.end()
                assert await exit_code(process) == 0


async def create(http: httpx2.AsyncClient, name: str) -> None:
    body = {"name": name, "scheduled_at": "2100-01-01T00:00:00Z"}
    async with asyncio.timeout(30):  # a terminated connection is noticed when it is used
        while (await http.post("/api/job", json=body)).status_code != 201:
            await asyncio.sleep(0.1)


class Stream:
    """The stream of one client."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks, self._pending = chunks, list[str]()

    async def take(self, count: int) -> list[str]:
        """The next `count` positions."""
        async with asyncio.timeout(30):
            while len(self._pending) < count:
                self._pending += [event["position"] for event in events_in(await anext(self._chunks, b""))]
        taken, self._pending = self._pending[:count], self._pending[count:]
        return taken

    async def end(self) -> None:
        async for _ in self._chunks:
            pass


@asynccontextmanager
async def open_stream(http: httpx2.AsyncClient, **headers: str) -> AsyncIterator[Stream]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.stream("GET", "/api/events/stream", headers=named, timeout=60) as answer:
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        yield Stream(answer.aiter_bytes())
