"""Forecasts over HTTP, from jobs and measured runs in a real database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock, patch
from uuid import uuid4

import pytest

from duebook_api.schedules.forecast.bodies import ForecastBody
from duebook_api.schedules.forecast.queries import is_large
from duebook_api.state.side_process import SideProcessFailed
from duebook_common.domain.run.commands import DiscardRun, FailAttempt, StartAttempt, Succeed
from support.api_app import Api

BEGIN = (datetime.now(UTC) + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


async def forecast(api: Api, status: int = 200, length: timedelta = DAY, begin: datetime = BEGIN, **body: Any) -> Any:
    window = {"from": begin.isoformat(), "to": (begin + length).isoformat()}
    return await api.json(status, "POST", "/api/schedule/forecast", window | body)


async def hourly(api: Api, **fields: Any) -> Any:
    return await api.create(**{"recurrence": {"every": "PT1H"}, "scheduled_at": BEGIN.isoformat(), **fields})


async def test_a_forecast_is_of_all_active_jobs_or_of_those_that_a_filter_matches(api: Api) -> None:
    first = await hourly(api, name="a", tags=["x"], queue="slow")
    await hourly(api, name="b", task="http.request", payload={"url": "https://example.com"})
    paused, deleted = await hourly(api, name="c"), await hourly(api, name="d")
    await api.json(200, "POST", f"/api/job/{paused['id']}/pause")
    await api.json(204, "DELETE", f"/api/job/{deleted['id']}")
    found = await forecast(api)
    assert (found["jobs"], found["runs"], len(found["hours"])) == (2, 48, 24)
    assert found["hours"][0] == {"at": f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}", "runs": 2}
    assert [each["queue"] for each in found["queues"]] == ["default", "slow"]
    filters: list[dict[str, Any]] = [
        {"tag": "x"}, {"queue": "slow"}, {"name": "a"}, {"job_id": first["id"]}, {"task": "http.request"},
        {"status": "paused"},
    ]  # fmt: skip
    for each in filters:
        assert (await forecast(api, filter=each))["runs"] == 24, each


async def test_changes_are_not_applied_to_the_jobs(api: Api) -> None:
    moved, gone = await hourly(api, name="moved", max_runs=1000), await hourly(api, name="gone")
    paused = await hourly(api, name="paused")
    await api.json(200, "POST", f"/api/job/{paused['id']}/pause")
    changes = [
        {"job_id": moved["id"], "patch": {"recurrence": {"cron": "30 */2 * * *"}}},
        {"delete": gone["id"]},
        {"create": {"name": "new", "recurrence": "daily", "scheduled_at": (BEGIN + HOUR).isoformat()}},
        {"job_id": paused["id"], "patch": {"queue": "slow"}},
    ]
    found = await forecast(api, changes=changes)
    assert found["runs"] == 12 + 1 + 24
    assert (found["added"]["count"], found["removed"]["count"]) == (12 + 1, 24 + 24)
    assert {(each["name"], each["job_id"]) for each in found["added"]["times"]} == {
        ("moved", moved["id"]),
        ("new", None),
    }
    assert {each["queue"] for each in found["queues"]} == {"default", "slow"}
    assert (await api.json(200, "GET", f"/api/job/{moved['id']}"))["recurrence"] == {"every": "PT1H"}
    assert (await forecast(api, changes=[]))["added"] == {"count": 0, "times": []}


async def test_durations_come_from_the_latest_runs_of_the_job_or_else_of_its_task(api: Api) -> None:
    every = {"recurrence": {"every": "PT30M"}, "overlap": "allow_all"}
    slow, other = await hourly(api, **every), await hourly(api, **every, queue="other")
    await hourly(
        api, **every, queue="unknown", task="amqp.publish", payload={"exchange": "", "routing_key": "x", "body": 1}
    )
    run = await api.json(202, "POST", f"/api/job/{slow['id']}/trigger")
    now = datetime.now(UTC)
    await api.execute(run["id"], StartAttempt(0, "executor-1", HOUR, now - 2 * HOUR), Succeed(1, None, now))
    by_queue = {each["queue"]: each for each in (await forecast(api))["queues"]}
    assert [by_queue[name]["peak"]["mean"]["runs"] for name in ("default", "other", "unknown")] == [4, 4, 1]
    assert [by_queue[name]["unmeasured_jobs"] for name in ("default", "other", "unknown")] == [0, 0, 1]
    assert other["id"] != slow["id"]


async def test_what_an_operator_took_to_discard_a_run_is_no_duration_of_it(api: Api) -> None:
    job = await hourly(api, recurrence={"every": "PT30M"}, overlap="allow_all")
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    now = datetime.now(UTC)
    failed = FailAttempt(1, "boom", now - 2 * HOUR, 0.5, retry=False)
    await api.execute(
        run["id"], StartAttempt(0, "executor-1", HOUR, now - 2 * HOUR), failed, DiscardRun("obsolete", now)
    )
    [queue] = (await forecast(api))["queues"]
    assert (queue["peak"]["mean"]["runs"], queue["unmeasured_jobs"]) == (1, 1)


@pytest.mark.parametrize(
    ("invalid", "pointer", "message"),
    [
        ({"to": BEGIN.isoformat()}, "/to", "later than from"),
        ({"to": (BEGIN + 401 * DAY).isoformat()}, "/to", "400 days at most; ask for a part"),
        ({"from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z"}, "/to", "ledger"),
        ({"from": "2090-01-01T00:00:00Z", "to": "2090-02-01T00:00:00Z"}, "/to", "3660 days ahead at most"),
        ({"from": "soon"}, "/from", "RFC 3339"),
        ({"filter": {"status": "deleted"}}, "/filter/status", "this version knows active, paused"),
        ({"filter": {"nam": "x"}}, "/filter/nam", "no such field"),
        ({"changes": [{"patch": {}}]}, "/changes/0", "a change is"),
        (
            {"changes": [{"create": {"name": "x"}, "delete": "01a2b3c4-0000-7000-8000-000000000000"}]},
            "/changes/0",
            "is",
        ),
        ({"changes": [{"create": {"name": ""}}]}, "/changes/0/create/name", "1 character"),
        ({"changes": [{"delete": "01a2b3c4-0000-7000-8000-000000000000"}]}, "/changes/0/delete", "no such job"),
    ],
)
async def test_an_invalid_request_is_refused_with_its_pointer(
    api: Api, invalid: dict[str, Any], pointer: str, message: str
) -> None:
    problem = await forecast(api, 422, **invalid)
    assert problem["errors"][0]["pointer"] == pointer
    assert message in problem["errors"][0]["detail"]


async def test_a_patch_is_validated_and_a_job_may_be_changed_once(api: Api) -> None:
    job = await hourly(api)
    bad = {"job_id": job["id"], "patch": {"recurrence": {"cron": "61 * * * *"}}}
    problem = await forecast(api, 422, changes=[bad])
    assert problem["errors"][0]["pointer"].startswith("/changes/0/patch/recurrence")
    twice = [{"delete": job["id"]}, {"job_id": job["id"], "patch": {}}]
    problem = await forecast(api, 422, changes=twice)
    assert (problem["errors"][0]["pointer"], "change 0" in problem["detail"]) == ("/changes/1", True)
    await api.json(204, "DELETE", f"/api/job/{job['id']}")
    problem = await forecast(api, 422, changes=[twice[0]])
    assert problem["errors"][0]["detail"] == "this job is deleted"


async def test_a_forecast_of_many_jobs_is_computed_and_refused_by_another_process(api: Api) -> None:
    jobs = [{"name": "x", "recurrence": {"every": "PT1S"}, "scheduled_at": BEGIN.isoformat()}] * 60
    await api.json(201, "POST", "/api/job/batch", {"jobs": jobs})
    with patch.object(api.deps.side_process, "run", wraps=api.deps.side_process.run) as aside:
        problem = await forecast(api, 422, 399 * DAY)
        assert (await forecast(api))["runs"] == 60 * 86_400
    assert "more than 500,000 hours" in problem["detail"]
    assert aside.call_count == 1


async def test_a_forecast_that_another_process_cannot_compute_says_so(api: Api) -> None:
    for name in "abcdef":
        await hourly(api, name=name)
    failed = AsyncMock(side_effect=SideProcessFailed("the process that computed it has ended"))
    with patch.object(api.deps.side_process, "run", failed):
        problem = await forecast(api, 503, 300 * DAY)
        assert (await forecast(api, filter={"name": "a"}))["runs"] == 24, "small ones do not need it"
    assert problem["code"] == "forecast_failed"
    assert "filter" in problem["detail"]


@pytest.mark.parametrize(("days", "changes", "large"), [(0.01, 0, False), (83, 0, False), (84, 0, True), (71, 2, True)])
async def test_a_forecast_is_large_by_its_days_jobs_and_changes(
    api: Api, days: float, changes: int, large: bool
) -> None:
    for name in "abcdef":
        await hourly(api, name=name)
    window = {"from": BEGIN.isoformat(), "to": (BEGIN + days * DAY).isoformat()}
    body = ForecastBody.model_validate({**window, "changes": [{"delete": str(uuid4())}] * changes})
    assert await is_large(api.deps, body) is large


async def test_a_forecast_is_documented(api: Api) -> None:
    openapi = await api.json(200, "GET", "/api/openapi.json")
    assert "/api/schedule/forecast" in openapi["paths"]
    assert {"from", "to", "filter", "changes"} == set(openapi["components"]["schemas"]["ForecastBody"]["properties"])
