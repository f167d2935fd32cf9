"""A client with a key of its own, however much it sends, leaves the api to the others."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx2
import pytest

from duebook_common.runtime.api_keys import make_key
from duebook_common.store.database import Pool
from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.ports import free_port
from support.api_process import api_process, wait_until_ready
from support.bookkeeping import eventually
from support.silence import measured_silence

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

JOB = {"name": "n", "scheduled_at": "2100-01-01T00:00:00Z"}
MIB = 1024 * 1024


class Clients:
    """The port of an api, and the headers of an attacker's and of a victim's key."""

    def __init__(self, port: int, attacker: str, victim: str) -> None:
        self.port = port
        self.attacker, self.victim = ({"authorization": f"Bearer {key}"} for key in (attacker, victim))

    def http(self, headers: dict[str, str]) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=600)
        url = f"http://127.0.0.1:{self.port}"
        return httpx2.AsyncClient(
            base_url=url, headers=headers, timeout=60, limits=limits, trust_env=False, verify=WITHOUT_TLS
        )


@asynccontextmanager
async def api(postgres_url: str, pool: Pool, redis_url: str, **settings: str) -> AsyncIterator[Clients]:
    keys = {name: make_key(name, "a-secret-of-this-test") for name in ("attacker", "victim")}
    for name, (_, hash_) in keys.items():
        add = "INSERT INTO keys (key_id, name, hash, scopes) VALUES ($1, 'test', $2, '{*}')"
        await pool.execute(add, name, hash_)
    port, more = free_port(), {"DUEBOOK_AUTH": "required", "DUEBOOK_REDIS_URL": redis_url, **settings}
    async with api_process(postgres_url, port, **more) as (_, http):
        await wait_until_ready(http)
        yield Clients(port, keys["attacker"][0], keys["victim"][0])


async def test_a_flood_of_one_key_is_refused_and_does_not_delay_another(
    postgres_url: str, pool: Pool, redis_url: str
) -> None:
    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(api(postgres_url, pool, redis_url, DUEBOOK_RATE_LIMIT="100/PT1S"))
        attacker = await stack.enter_async_context(clients.http(clients.attacker))
        victim = await stack.enter_async_context(clients.http(clients.victim))
        statuses, over = Counter[int](), asyncio.Event()

        async def flood() -> None:
            while not over.is_set():
                statuses[(await attacker.post("/api/job", json=JOB)).status_code] += 1

        flooding = [asyncio.create_task(flood()) for _ in range(50)]
        try:
            await eventually(lambda: refused(statuses))
            with measured_silence(clients.port) as silence:
                waits = [await seconds_to_create(victim) for _ in range(20)]
        finally:
            over.set()
            await asyncio.gather(*flooding)
    assert statuses.keys() == {201, 429}
    assert sorted(waits)[10] < 1 + 5 * silence.of_machine, waits


async def refused(statuses: Counter[int]) -> bool:
    return statuses[429] > 100


async def seconds_to_create(http: httpx2.AsyncClient) -> float:
    start = time.monotonic()
    assert (await http.post("/api/job", json=JOB)).status_code == 201
    return time.monotonic() - start


async def test_five_hundred_streams_of_one_key_leave_streams_for_another(
    postgres_url: str, pool: Pool, redis_url: str
) -> None:
    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(api(postgres_url, pool, redis_url))
        attacker = await stack.enter_async_context(clients.http(clients.attacker))
        victim = await stack.enter_async_context(clients.http(clients.victim))

        async def open_stream(http: httpx2.AsyncClient) -> tuple[int, str | None]:
            answer = await stack.enter_async_context(http.stream("GET", "/api/events/stream"))
            return answer.status_code, answer.headers.get("retry-after")

        with measured_silence(clients.port) as silence:
            opened = Counter([await open_stream(attacker) for _ in range(500)])
        assert opened == {(200, None): 50, (429, "5"): 450}
        assert await open_stream(victim) == (200, None)
        assert silence.seconds < silence.limit


async def test_slow_large_bodies_of_one_key_leave_a_slot_to_another(
    postgres_url: str, pool: Pool, redis_url: str
) -> None:
    """They would hold every slot for a minute; a large body of another key would wait ten seconds and be refused."""

    async def drip() -> AsyncIterator[bytes]:
        yield b'{"jobs":['
        await asyncio.Event().wait()

    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(api(postgres_url, pool, redis_url))
        attacker = await stack.enter_async_context(clients.http(clients.attacker))
        victim = await stack.enter_async_context(clients.http(clients.victim))
        json_type = {"content-type": "application/json"}
        slow = [
            asyncio.create_task(attacker.post("/api/job/batch", content=drip(), headers=json_type)) for _ in range(10)
        ]
        try:
            await asyncio.sleep(0.5)  # they may have arrived: otherwise the victim is served all the more
            large = {"jobs": [{**JOB, "payload": "x" * 200_000}] * 8}
            answer = await victim.post("/api/job/batch", json=large)
        finally:
            for each in slow:
                each.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*slow, return_exceptions=True)
    assert answer.status_code == 201
