"""The page of the forecast, whose URL holds all that it shows."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import orjson

from support.api_app import Api
from support.console import get

HOSTILE = "</script><img src=x onerror=alert(1)>"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)


def with_changes(*changes: object) -> str:
    return f"/console/forecast?days=7&changes={quote(orjson.dumps(changes).decode())}"


async def test_an_empty_installation_has_no_run_to_come(api: Api) -> None:
    assert "No schedule names a time until" in await get(api, "/console/forecast")


async def test_runs_to_come_are_drawn_and_filtered(api: Api) -> None:
    await api.create(name=HOSTILE, recurrence={"every": "PT1H"}, scheduled_at=TOMORROW.isoformat(), queue="slow")
    page = await get(api, "/console/forecast?days=7")
    assert "1 job will make" in page
    assert 'class="outline"' in page
    assert "<img" not in page
    assert "No schedule names a time" in await get(api, "/console/forecast?days=7&queue=other")


async def test_a_change_set_in_the_url_shows_the_difference(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT1H"}, scheduled_at=TOMORROW.isoformat())
    page = await get(api, with_changes({"job_id": job["id"], "patch": {"recurrence": {"every": "PT30M"}}}))
    assert "more than without the changes" in page
    assert "Times that are added" in page
    assert "fewer than without the changes" in await get(api, with_changes({"delete": job["id"]}))
    assert (await api.json(200, "GET", f"/api/job/{job['id']}"))["version"] == job["version"]


async def test_changes_that_are_refused_are_kept_and_explained(api: Api) -> None:
    page = await get(api, "/console/forecast?changes=%7Bno", 422)
    assert 'role="alert"' in page
    assert ">{no</textarea>" in page
    await get(api, with_changes({"delete": "x"}), 422)
    await get(api, f"/console/forecast?changes={'a' * 9000}", 422)
    await get(api, "/console/forecast?days=2", 422)
