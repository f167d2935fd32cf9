"""Schedules whose times take long to find do not silence the api, wherever they are given."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from duebook_devstack.ports import free_port
from support.api_process import api_process, wait_until_ready
from support.silence import measured_silence

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

START = "2026-05-02T00:20:00Z"
LORD_HOWE = {"timezone": "Australia/Lord_Howe", "scheduled_at": START}
FEW = "FREQ=WEEKLY;INTERVAL=997;BYMONTH=5;BYDAY=SA,SU;BYMINUTE=20;BYSETPOS=-1"
SLOW = "FREQ=HOURLY;INTERVAL=7;BYHOUR=6,0;BYDAY=TU,SA,FR"  # names no time, which takes 400 years to find out
SKIPPED = {"recurrence": {"cron": "30 2 * 3 SUNL"}, "timezone": "Europe/Berlin", "dst": {"gap": "skip"}}


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[tuple[int, httpx2.AsyncClient]]:
    """The port of the api, and a client."""
    port = free_port()
    async with api_process(postgres_url, port) as (_, http):
        await wait_until_ready(http)
        yield port, http


def rule(text: str) -> dict[str, Any]:
    return LORD_HOWE | {"recurrence": {"rrule": text}}


def job(schedule: dict[str, Any]) -> dict[str, Any]:
    return {"name": "n", **schedule}


async def test_expensive_schedules_do_not_silence_the_api(api: tuple[int, httpx2.AsyncClient]) -> None:
    port, http = api
    jobs = (await http.post("/api/job/batch", json={"jobs": [{"name": "n"}] * 10})).json()["items"]
    window = {"from": datetime.now(UTC).isoformat(), "to": (datetime.now(UTC) + timedelta(days=300)).isoformat()}
    patches = [{"job_id": each["id"], "patch": rule(FEW)} for each in jobs]
    forecast = window | {"changes": [*patches, *[{"create": job(rule(FEW))}] * 40]}
    paths = [f"/api/job/{each['id']}" for each in jobs]
    for requests in (
        [http.post("/api/schedule/preview", json=rule(text) | {"count": 1000}) for text in (FEW, SLOW) * 4],
        [http.post("/api/schedule/preview", json=SKIPPED) for _ in range(8)],
        [http.post("/api/job/batch", json={"jobs": [job(rule(FEW))] * 30 + [job(SKIPPED)]}) for _ in range(4)],
        [http.post("/api/job", json=job(rule(text))) for text in (FEW, SLOW) * 10],
        [http.put(path, json=job(rule(text))) for path in paths for text in (FEW, SLOW)],
        [http.patch(path, json=rule(text)) for path in paths for text in (FEW, SLOW)],
        [http.patch(path, json=SKIPPED) for path in paths],
        [http.post("/api/schedule/forecast", json=forecast)],
    ):
        with measured_silence(port) as silence:
            answers = await asyncio.gather(*requests)
        assert {answer.status_code for answer in answers} <= {200, 201, 422}, answers[0].text[:500]
        assert silence.seconds < silence.limit, answers[0].request.url


async def test_a_schedule_of_another_client_is_not_kept_waiting(api: tuple[int, httpx2.AsyncClient]) -> None:
    """One batch of expensive schedules does not make another client's single one wait for all of them."""
    _, http = api
    batch = asyncio.create_task(http.post("/api/job/batch", json={"jobs": [job(rule(FEW))] * 200}))
    answer = await http.post("/api/job", json=job({"recurrence": {"rrule": "FREQ=DAILY"}}))
    assert answer.status_code == 201
    assert not batch.done()
    assert (await batch).status_code == 201
