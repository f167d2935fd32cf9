"""The api as a process: it serves, answers 503 while it starts, and stops in order."""

import asyncio
import json
import signal

import httpx2
import pytest

from duebook_api.app import lifespan
from duebook_api.settings import ApiSettings
from duebook_common.runtime.service import ServiceContext
from duebook_common.runtime.settings import read
from support.api_app import NO_REDIS
from support.api_process import api_process, wait_until_ready


async def test_the_process_serves_and_stops_in_order(postgres_url: str, unused_tcp_port: int) -> None:
    async with api_process(postgres_url, unused_tcp_port) as (process, http):
        await wait_until_ready(http)
        created = await http.post("/api/job", json={"name": "n"})
        assert created.status_code == 201
        assert (await http.get(created.headers["location"])).json()["id"] == created.json()["id"]
        large = await http.post("/api/job", content=b"x" * 20_000_000)
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
        assert "duebook_dead_letter" in (await http.get("/metrics")).text
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0


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
    with pytest.raises(OSError):
        await starting


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
