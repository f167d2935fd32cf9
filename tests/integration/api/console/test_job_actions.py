"""What the page of a job does: the same as the API, by forms, with the reader's name in the log."""

import re
from datetime import timedelta

import pytest

from support.api_app import Api
from support.console import get, hidden, submit


@pytest.fixture
async def job_id(api: Api) -> str:
    job = await api.create(name="nightly", recurrence={"cron": "0 2 * * *"}, scheduled_at="2026-11-01T00:00:00Z")
    return str(job["id"])


async def test_a_job_is_paused_and_resumed_with_a_reason(api: Api, job_id: str) -> None:
    page = await get(api, f"/console/jobs/{job_id}/pause")
    assert "Copy as" in page
    done = await submit(api, f"/console/jobs/{job_id}/pause", reason="provider down", hold="true")
    assert (done.status_code, done.headers["location"]) == (303, f"/console/jobs/{job_id}")
    job = await api.json(200, "GET", f"/api/job/{job_id}")
    assert (job["status"], job["reason"], job["held"]) == ("paused", "provider down", True)
    assert "Paused." in await get(api, f"/console/jobs/{job_id}")
    assert "Paused." not in await get(api, f"/console/jobs/{job_id}")
    await submit(api, f"/console/jobs/{job_id}/resume")
    assert (await api.json(200, "GET", f"/api/job/{job_id}"))["status"] == "active"


async def test_a_run_is_triggered_with_a_payload_and_shown(api: Api, job_id: str) -> None:
    done = await submit(
        api, f"/console/jobs/{job_id}/trigger", overlap="allow_all", payload='{"n": 1152921504606846976}'
    )
    page = await get(api, done.headers["location"])
    [run] = (await api.json(200, "GET", f"/api/job/{job_id}/runs"))["items"]
    assert f'id="run-{run["id"]}"' in page
    assert (await api.json(200, "GET", f"/api/run/{run['id']}"))["payload"] == {"n": 2**60}


async def test_a_run_is_triggered_once_by_a_form_that_is_sent_twice(api: Api, job_id: str) -> None:
    path = f"/console/jobs/{job_id}/trigger"
    fields = hidden(await get(api, path))
    answers = []
    for payload in ("", "", '{"n": 2}', '{"n": 2}'):  # an impatient second click each, and a change between them
        done = await submit(api, path, **fields, payload=payload)
        answers.append("sent already: it started the run" in await get(api, done.headers["location"]))
    assert answers == [False, True, False, True]
    assert len((await api.json(200, "GET", f"/api/job/{job_id}/runs"))["items"]) == 2


async def test_broken_json_is_refused_with_its_fault(api: Api, job_id: str) -> None:
    done = await submit(api, f"/console/jobs/{job_id}/trigger", payload="{")
    assert done.status_code == 422
    assert "/payload" in done.text


async def test_a_job_is_deleted_and_stays_readable(api: Api, job_id: str) -> None:
    assert (await submit(api, f"/console/jobs/{job_id}/delete")).headers["location"] == "/console/jobs"
    page = await get(api, f"/console/jobs/{job_id}")
    assert "deleted" in page
    assert "/trigger" not in page


async def test_each_tab_and_a_day_and_an_instant_can_be_read(api: Api, job_id: str) -> None:
    await api.json(200, "PATCH", f"/api/job/{job_id}", {"queue": "imports"})
    for query in ("", "?tab=runs", "?tab=definition", "?tab=events", "?day=2026-11-20", "?at=2026-11-20T02:00"):
        await get(api, f"/console/jobs/{job_id}{query}")
    assert "imports" in await get(api, f"/console/jobs/{job_id}?tab=definition")
    assert '<span class="added">' in await get(api, f"/console/jobs/{job_id}?tab=definition")


@pytest.mark.parametrize("query", ["day=yesterday", "at=noon", "as_of=x", "cursor=x&tab=runs"])
async def test_a_wrong_parameter_is_named(api: Api, job_id: str, query: str) -> None:
    assert f"/{query.partition('=')[0]}" in await get(api, f"/console/jobs/{job_id}?{query}", 422)


async def test_a_job_with_more_times_than_an_answer_holds_has_its_whole_year(api: Api) -> None:
    job = await api.create(name="each second", recurrence={"every": "PT1S"}, scheduled_at="2026-01-01T00:00:00Z")
    api.pass_time(timedelta(days=2))
    page = await get(api, f"/console/jobs/{job['id']}")
    [expected] = re.findall(r"([\d,]+) expected", page)
    assert int(expected.replace(",", "")) > 170_000
    today = api.deps.clock.now().date()
    assert "The first 300 of" in await get(api, f"/console/jobs/{job['id']}?day={today - timedelta(days=1)}")


async def test_a_backfill_is_checked_before_it_is_confirmed(api: Api) -> None:
    job = await api.create(recurrence={"cron": "0 * * * *"}, scheduled_at="2026-11-01T00:00:00Z")
    await api.json(200, "POST", f"/api/job/{job['id']}/pause", {})
    api.pass_time(timedelta(hours=5))
    path, now = f"/console/jobs/{job['id']}/backfill", api.deps.clock.now()
    sent = {"from": f"{now - timedelta(hours=4):%Y-%m-%dT%H:%M}", "to": f"{now:%Y-%m-%dT%H:%M}"}
    checked = await submit(api, path, **sent)
    assert "4 runs will be made" in checked.text
    other = await submit(
        api, path, **hidden(checked.text), **sent | {"from": f"{now - timedelta(hours=2):%Y-%m-%dT%H:%M}"}
    )
    assert "2 runs will be made" in other.text
    assert (await api.json(200, "GET", "/api/run?trigger=backfill"))["items"] == []
    done = await submit(api, path, **hidden(checked.text), **sent)
    assert done.status_code == 303
    assert len((await api.json(200, "GET", "/api/run?trigger=backfill"))["items"]) == 4
    assert "there is nothing to make" in (await submit(api, path, **sent)).text
    refused = await submit(api, path, **sent | {"to": "2100-01-01T00:00"})
    assert (refused.status_code, "only past times" in refused.text) == (422, True)
