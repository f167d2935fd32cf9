"""Dry runs say what would be made, with each refusal of the real request, and write nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from duebook_api.schemas import answers, plans
from duebook_api.state.queue_names import QueueNames
from duebook_common.runtime.mail_domains import mail_domains
from support.api_app import Api, running_api

JOB, JOBS = TypeAdapter(plans.JobPlan), TypeAdapter(answers.Items[plans.JobPlan])
BACKFILL = TypeAdapter(plans.BackfillPlan)
DAILY = {"name": "n", "scheduled_at": "2100-01-01T00:00:00Z", "recurrence": "daily"}
BATCH = "/api/job/batch?dry_run=true"


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url, queue_names=QueueNames(1)) as api:
        yield api


async def dry_run(api: Api, path: str, body: Any, schema: TypeAdapter[Any]) -> Any:
    answer = await api.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    schema.validate_json(answer.content, extra="forbid")
    return answer.json()


async def nothing_is_written(api: Api) -> bool:
    written = await api.deps.pool.fetchrow("SELECT count(*), (SELECT count(*) FROM queues) FROM events")
    return tuple(written or ()) == (0, 0)


async def test_a_dry_run_shows_every_default_the_next_times_and_warnings(api: Api) -> None:
    plan = await dry_run(api, "/api/job?dry_run=true", DAILY, JOB)
    assert (plan["job"]["max_retries"], plan["job"]["timeout"]) == (3, "PT5M")
    assert [time[:10] for time in plan["times"]] == [f"2100-01-{day:02}" for day in range(1, 11)]
    assert plan["warnings"]
    assert await nothing_is_written(api)
    created = await api.json(201, "POST", "/api/job?dry_run=false", DAILY)
    assert {name: created[name] for name in plan["job"]} == plan["job"]
    assert created["warnings"] == plan["warnings"]


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"recurrence": "none"}, 1),
        ({"max_runs": 3}, 3),
        ({"recurrence": "none", "scheduled_at": "2020-01-01T00:00:00Z"}, 1),
    ],
)
async def test_a_dry_run_shows_no_more_times_than_there_are(api: Api, fields: dict[str, Any], count: int) -> None:
    assert len((await dry_run(api, "/api/job?dry_run=true", DAILY | fields, JOB))["times"]) == count


@pytest.mark.parametrize(
    "fields",
    [{"timeout": "P9999D"}, {"recurrence": {"cron": "0 0 30 2 *"}}, {"odd": 1}, {"name": ""}, {"queue": "second"}],
)
async def test_a_dry_run_refuses_what_the_request_refuses(api: Api, fields: dict[str, Any]) -> None:
    await api.deps.queue_names.admit(api.deps.pool, {"default": "/queue"})
    answers_ = [await api.http.post(f"/api/job{query}", json=DAILY | fields) for query in ("?dry_run=true", "")]
    dry, real = (answer.json() for answer in answers_)
    assert dry["status"] >= 400
    assert {name: dry[name] for name in ("status", "code", "detail", "errors")} == {
        name: real[name] for name in ("status", "code", "detail", "errors")
    }


async def test_a_dry_run_of_a_batch_names_each_refusal(api: Api) -> None:
    plan = await dry_run(api, BATCH, {"jobs": [DAILY, DAILY | {"max_runs": 1}]}, JOBS)
    assert [len(item["times"]) for item in plan["items"]] == [10, 1]
    wrong = [DAILY | {"timeout": "P9999D"}, DAILY, DAILY | {"ends_at": "2099-01-01T00:00:00Z"}]
    refused = (await api.http.post(BATCH, json={"jobs": wrong})).json()
    assert [error["pointer"] for error in refused["errors"]] == ["/jobs/0/timeout", "/jobs/2/ends_at"]
    assert await nothing_is_written(api)


async def test_an_unknown_parameter_is_refused_so_that_a_typo_creates_nothing(api: Api) -> None:
    await api.json(422, "POST", "/api/job?dryrun=true", DAILY)
    await api.json(422, "POST", "/api/job?dry_run=perhaps", DAILY)
    assert await nothing_is_written(api)


async def test_a_dry_run_uses_up_no_idempotency_key(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    await api.http.post("/api/job?dry_run=true", json=DAILY, headers=headers)
    await api.json(201, "POST", "/api/job", DAILY | {"name": "another"}, Idempotency_Key="k")


async def test_a_dry_run_of_a_backfill_shows_times_and_refusals_and_makes_no_run(api: Api) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    job = await api.create(scheduled_at=start.isoformat(), recurrence={"every": "PT1M"}, catch_up={"policy": "none"})
    await api.json(200, "POST", f"/api/job/{job['id']}/pause")
    api.pass_time(timedelta(minutes=5, seconds=30))
    await api.json(200, "POST", f"/api/job/{job['id']}/resume")  # what fell due meanwhile is skipped
    span = {"from": job["created_at"], "to": (start + timedelta(minutes=3, seconds=30)).isoformat()}
    path = f"/api/job/{job['id']}/backfill"
    before = await api.deps.pool.fetchval("SELECT count(*) FROM events")
    plan = await dry_run(api, path, span | {"dry_run": True}, BACKFILL)
    assert (plan["count"], plan["already_backfilled"]) == (len(plan["times"]), 0)
    assert plan["count"] >= 3
    assert await api.deps.pool.fetchval("SELECT count(*) FROM events") == before
    made = await api.json(202, "POST", path, span)
    assert [run["nominal_at"] for run in made["items"]] == plan["times"]
    again = await dry_run(api, path, span | {"dry_run": True}, BACKFILL)
    assert (again["count"], again["already_backfilled"]) == (0, plan["count"])
    for wrong in ({"to": "2099-01-01T00:00:00Z"}, {"from": "2020-01-01T00:00:00Z"}):
        refused = await api.json(422, "POST", path, span | wrong | {"dry_run": True})
        assert refused["errors"][0]["pointer"] == f"/{next(iter(wrong))}"


REPLACE = "/api/job/batch?dry_run=true&replace=true"


async def test_a_planned_replacement_cannot_trigger_itself_by_its_id(api: Api) -> None:
    job = await api.create(key="k", queue="default")
    body = {"name": "n", "key": "k", "then": [{"job": job["id"], "on": ["succeeded"]}]}
    refused = await api.json(422, "POST", REPLACE, {"jobs": [body]})
    assert [fault["pointer"] for fault in refused["errors"]] == ["/jobs/0/then/0/job"]


async def test_a_planned_replacement_may_keep_what_no_new_job_may_have(api: Api, postgres_url: str) -> None:
    kept = {"task": "t", "payload": {"n": "x"}, "notify": {"to": ["a@example.org"]}, "timeout": "PT2H"}
    await api.create(key="k", queue="default", **kept)
    register = "INSERT INTO tasks (name, payload_schema, seen_at) VALUES ('t', $1, now())"
    await api.deps.pool.execute(register, {"required": ["m"]})
    domains, longest = mail_domains(["example.com"]), timedelta(hours=1)
    async with running_api(postgres_url, mail_domains=domains, max_timeout=longest) as strict:
        body = {"name": "another", "key": "k", **kept}
        [plan] = (await dry_run(strict, REPLACE, {"jobs": [body]}, JOBS))["items"]
        assert (plan["job"]["name"], plan["job"]["payload"]) == ("another", {"n": "x"})
        for change in ({"payload": {"n": "y"}}, {"notify": {"to": ["b@example.org"]}}, {"timeout": "PT3H"}):
            refused = await strict.json(422, "POST", REPLACE, {"jobs": [body | change]})
            assert len(refused["errors"]) == 1
