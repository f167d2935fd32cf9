"""The ledger in numbers over HTTP: it says the same as the ledger, which lists each time."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from duebook_api.ledger.ledger import job_ledger
from support.api_app import Api
from support.ledgers import dispatch

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def ago(api: Api, days: float) -> str:
    time: datetime = api.deps.clock.now() - days * DAY
    return time.isoformat().replace("+00:00", "Z")


async def history(api: Api) -> Any:
    """A job whose times were missed, caught up, backfilled, run, skipped by a pause, and are due."""
    job = await api.create(
        scheduled_at=ago(api, 9), recurrence={"every": "PT2H"}, overlap="allow_all", timezone="Europe/Berlin"
    )
    path = f"/api/job/{job['id']}"
    await dispatch(api, job)
    api.pass_time(3 * DAY)
    await dispatch(api, job)
    await api.json(202, "POST", f"{path}/backfill", {"from": ago(api, 2.5), "to": ago(api, 1)})
    await api.json(200, "POST", f"{path}/pause")
    api.pass_time(2 * DAY)
    await api.json(200, "POST", f"{path}/resume")
    await api.json(200, "PATCH", path, {"recurrence": {"every": "PT3H"}})
    run = (await api.pages(f"{path}/runs", 50))[0]
    await api.json(202, "POST", f"/api/run/{run['id']}/cancel")
    await api.json(202, "POST", f"{path}/trigger")
    api.pass_time(DAY)
    return job


@pytest.mark.parametrize(("step", "zone"), [("day", None), ("day", "Pacific/Auckland"), ("month", "UTC")])
async def test_each_step_has_the_numbers_of_its_times(api: Api, step: str, zone: str | None) -> None:
    job = await history(api)
    query = f"step={step}" + (f"&timezone={zone}" if zone else "")
    found = await api.json(200, "GET", f"/api/job/{job['id']}/ledger/summary?{query}")
    entries = await api.pages(f"/api/job/{job['id']}/ledger", 200)
    clock, length = ZoneInfo(zone or "Europe/Berlin"), 10 if step == "day" else 7
    expected: dict[str, Counter[str]] = {}
    for entry in entries:
        local = datetime.fromisoformat(entry["nominal_at"]).astimezone(clock).isoformat()[:length]
        expected.setdefault(local, Counter())[entry["outcome"]] += 1
    assert {item["date"]: Counter(item["outcomes"]) for item in found["items"]} == expected
    whole = await api.json(200, "GET", f"/api/job/{job['id']}/ledger?limit=1")
    assert {name: found[name] for name in ("expected", "recorded", "due", "unaccounted")} == {
        name: whole[name] for name in ("expected", "recorded", "due", "unaccounted")
    }
    assert found["outcomes"].keys() >= {"skipped", "dispatched", "due"}


async def test_retries_and_late_runs_are_counted_as_the_ledger_has_them(api: Api) -> None:
    job = await history(api)
    late = "SELECT run_id FROM runs WHERE trigger = 'backfill' LIMIT 1"
    ended = "UPDATE runs SET status = 'succeeded', attempt = 2, wake_at = NULL WHERE run_id = $1"
    await api.deps.pool.execute(ended, await api.deps.pool.fetchval(late))
    found = await api.json(200, "GET", f"/api/job/{job['id']}/ledger/summary?timezone=UTC")
    expected = dict[str, Counter[str]]()
    for entry in await job_ledger(api.deps.pool, UUID(job["id"]), None, None, api.deps.clock.now()):
        marks = {"retried": int(entry.was_retried), "caught_up": int(entry.was_caught_up)}
        expected.setdefault(entry.nominal_at.date().isoformat(), Counter()).update(marks)
    assert {each["date"]: (each["retried"], each["caught_up"]) for each in found["items"]} == {
        day: (marks["retried"], marks["caught_up"]) for day, marks in expected.items()
    }
    assert found["retried"] == 1
    assert found["caught_up"] > 10
    assert found["outcomes"]["succeeded"] == 1


async def test_a_time_that_is_caught_up_is_counted(api: Api) -> None:
    job = await api.create(scheduled_at=ago(api, 25 / 24), recurrence={"every": "PT2H"})
    await dispatch(api, job)
    found = await api.json(200, "GET", f"/api/job/{job['id']}/ledger/summary?step=month")
    assert (found["caught_up"], found["retried"], found["expected"]) == (1, 0, 13)
    assert found["outcomes"] == {"dispatched": 1, "skipped": 12}


async def test_a_one_off_that_was_retried_is_counted_too(api: Api) -> None:
    job = await api.create(scheduled_at=ago(api, 2))
    await dispatch(api, job)
    await api.deps.pool.execute("UPDATE runs SET status = 'succeeded', attempt = 2, wake_at = NULL")
    found = await api.json(200, "GET", f"/api/job/{job['id']}/ledger/summary?step=month")
    assert (found["retried"], found["outcomes"]) == (1, {"succeeded": 1})


async def test_a_lost_run_is_unaccounted_in_its_step(api: Api) -> None:
    job = await history(api)
    before = await api.json(200, "GET", f"/api/job/{job['id']}/ledger/summary")
    runs = await api.pages(f"/api/run?job_id={job['id']}", 50)
    lost = next(run for run in runs if run["trigger"] == "schedule")
    await api.deps.pool.execute("DELETE FROM runs WHERE run_id = $1", UUID(lost["id"]))
    after = await api.json(200, "GET", f"/api/job/{job['id']}/ledger/summary")
    assert (before["unaccounted"], after["unaccounted"]) == (0, 1)


async def test_a_one_off_and_a_moved_one_are_counted_once(api: Api) -> None:
    job = await api.create(scheduled_at=ago(api, 2))
    await dispatch(api, job)
    found = await api.json(200, "GET", f"/api/job/{job['id']}/ledger/summary?step=month")
    assert (found["expected"], found["outcomes"]) == (1, {"dispatched": 1})


async def test_a_range_that_is_too_long_or_turned_round_is_refused(api: Api) -> None:
    job = await api.create()
    path = f"/api/job/{job['id']}/ledger/summary"
    for query in ("from=2000-01-01T00:00:00Z", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"):
        assert (await api.json(422, "GET", f"{path}?{query}"))["errors"][0]["pointer"] == "/from"
    assert (await api.json(422, "GET", f"{path}?timezone=CET2"))["errors"][0]["pointer"] == "/timezone"
    assert (await api.json(200, "GET", f"{path}?from=2000-01-01T00:00:00Z&step=month"))["expected"] == 0
    await api.json(404, "GET", f"/api/job/{uuid4()}/ledger/summary")
