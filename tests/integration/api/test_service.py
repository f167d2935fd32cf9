"""The api as a process: it serves, answers 503 while it starts, and stops in order."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import httpx2
import pytest

from duebook_api.app import lifespan
from duebook_api.settings import ApiSettings
from duebook_common.runtime.service import ServiceContext
from duebook_common.runtime.settings import read
from duebook_common.store.database import Pool
from support.api_app import NO_REDIS
from support.api_process import api_process, exit_code, wait_until_ready


async def test_the_process_serves_and_stops_in_order(postgres_url: str, unused_tcp_port: int) -> None:
    async with api_process(postgres_url, unused_tcp_port) as (process, http):
        await wait_until_ready(http)
        created = await http.post("/api/job", json={"name": "n"})
        assert created.status_code == 201
        assert (await http.get(created.headers["location"])).json()["id"] == created.json()["id"]
        large = await http.post("/api/job", content=b"x" * 20_000_000)
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
        assert "duebook_dead_letter" in (await http.get("/metrics")).text
        process.terminate()
        async with asyncio.timeout(30):
            assert await exit_code(process) == 0


@pytest.mark.parametrize("path", ["/api/job", "/api/openapi.json", "/nothing"])
async def test_before_the_database_is_connected_it_answers_503(path: str) -> None:
    url = {"DUEBOOK_POSTGRES_URL": "postgresql://x@127.0.0.1:1/x", "DUEBOOK_REDIS_URL": NO_REDIS}
    context = ServiceContext(read(ApiSettings, url))
    starting = asyncio.create_task(lifespan(context).__aenter__())
    await asyncio.sleep(0)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=context.app), base_url="http://localhost") as http:
        answer = await http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "starting")
        assert (await http.get("/livez")).status_code == 200
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_a_stopping_api_answers_the_requests_that_it_has_taken(
    postgres_url: str, pool: Pool, unused_tcp_port: int
) -> None:
    async with api_process(postgres_url, unused_tcp_port) as (process, http):
        await wait_until_ready(http)
        async with pool.acquire() as db, db.transaction():
            await db.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
            posts = [asyncio.create_task(http.post("/api/job", json={"name": "n"})) for _ in range(20)]
            await until(lambda: is_waiting(pool))
            for _ in range(3):  # connections are accepted in order, so after these answers the api has all requests
                await http.get("/livez", headers={"Connection": "close"})
            process.terminate()
            await until(lambda: refuses(unused_tcp_port))
        assert {(await post).status_code for post in posts} == {201}
        assert await exit_code(process) == 0


async def test_a_client_that_asks_on_and_on_is_not_cut_off(postgres_url: str, unused_tcp_port: int) -> None:
    """A stopping api announces the end of a connection with its last answer."""
    for _ in range(10):
        if await is_announced(postgres_url, unused_tcp_port):
            return
    pytest.fail("ten times in a row the client was cut off")


async def is_announced(postgres_url: str, port: int) -> bool:
    """False if the machine did not let the client ask within the half second for which the api waits for it."""
    async with api_process(postgres_url, port) as (process, http):
        await wait_until_ready(http)
        answer = await http.get("/api/job")
        process.terminate()
        while answer.headers.get("connection") != "close":
            answered = time.monotonic()
            try:
                answer = await http.get("/api/job")
            except httpx2.TransportError:
                assert time.monotonic() - answered > 0.4
                return False
            assert answer.status_code == 200
        assert await exit_code(process) == 0
        return True


async def until(probe: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await probe():
            await asyncio.sleep(0.01)


async def is_waiting(pool: Pool) -> bool:
    waiting: bool = await pool.fetchval(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return waiting


async def refuses(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (ConnectionRefusedError, ConnectionResetError):  # reset: the listener closed before it took the connection
        return True
    writer.close()
    return False


async def test_what_is_not_http_is_answered_with_a_problem(postgres_url: str, unused_tcp_port: int) -> None:
    async with api_process(postgres_url, unused_tcp_port) as (_, http):
        await wait_until_ready(http)
        for text in (
            b"nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
            writer.write(text)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            assert head.startswith(b"HTTP/1.1 400 ")
            assert b"content-type: application/problem+json" in head
            assert json.loads(body).keys() == {"type", "title", "status", "detail", "instance", "code"}
