"""Lists of jobs, runs and events with large payloads neither silence the api nor fill its memory."""

import asyncio
import re
from typing import Any

import httpx2
import orjson
import pytest

from duebook_devstack.ports import free_port
from support.api_process import api_process, wait_until_ready
from support.harm import MIB, peak_memory
from support.silence import measured_silence

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

JOBS = 30
NEXT = re.compile(rb'"next_cursor":"([^"]+)"')
LARGE: list[Any] = [[]] * 80_000  # 240 KiB, and thirty times as much as objects


async def pages(http: httpx2.AsyncClient, path: str) -> list[bytes]:
    """All pages of a list, which the test does not read while it measures."""
    found, cursor = list[bytes](), ""
    while True:
        answer = await http.get(f"{path}?limit=200{cursor}")
        assert answer.status_code == 200, answer.text[:500]
        assert len(answer.content) < 4 * MIB
        found.append(answer.content)
        next_cursor = NEXT.search(answer.content)
        if next_cursor is None:
            return found
        cursor = f"&cursor={next_cursor[1].decode()}"


def items(found: list[bytes]) -> list[dict[str, Any]]:
    return [item for page in found for item in orjson.loads(page)["items"]]


async def test_the_history_of_a_large_job_is_folded_without_its_payloads(postgres_url: str) -> None:
    port = free_port()
    async with api_process(postgres_url, port) as (process, http):
        await wait_until_ready(http)
        body = {"name": "n", "scheduled_at": "2100-01-01T00:00:00Z"}
        path = f"/api/job/{(await http.post('/api/job', json=body)).raise_for_status().json()['id']}"
        for n in range(JOBS):
            await http.patch(path, json={"payload": [n, *LARGE]})
        with measured_silence(port) as silence:
            answers = await asyncio.gather(
                *(http.get(f"{path}/ledger") for _ in range(4)),
                *(http.get(f"{path}?as_of=2099-01-01T00:00:00Z") for _ in range(4)),
            )
        assert silence.seconds < silence.limit
        assert peak_memory(process.pid) < 300 * MIB
        assert {answer.status_code for answer in answers} == {200}
        assert answers[-1].json()["payload"][0] == JOBS - 1


async def test_lists_of_large_payloads_are_cut_into_pages(postgres_url: str) -> None:
    port = free_port()
    async with api_process(postgres_url, port) as (process, http):
        await wait_until_ready(http)
        body = {"name": "n", "scheduled_at": "2100-01-01T00:00:00Z", "payload": LARGE}
        for _ in range(JOBS):
            job = (await http.post("/api/job", json=body)).raise_for_status().json()
            run = await http.post(f"/api/job/{job['id']}/trigger", json={"payload": LARGE})
            assert run.status_code == 202
            await http.patch(f"/api/job/{job['id']}", json={"name": "m"})
        paths = ["/api/job", "/api/run", "/api/events", f"/api/job/{job['id']}/events"]
        with measured_silence(port) as silence:
            found = await asyncio.gather(*(pages(http, path) for path in paths))
        assert silence.seconds < silence.limit
        assert peak_memory(process.pid) < 300 * MIB
        jobs, runs, events, of_job = map(items, found)
        assert [len(jobs), len(runs), len(of_job)] == [JOBS, JOBS, 2]
        assert all(job["payload"] == LARGE for job in jobs)
        assert len({event["position"] for event in events}) == 3 * JOBS
