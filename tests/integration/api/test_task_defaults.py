"""What a task says of its jobs reaches the api by the registration of its executor."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from duebook.defaults import Defaults
from duebook.tasks import Task
from duebook_common.domain.job.state import Job
from duebook_common.store import executors
from duebook_common.store.executors import About
from duebook_common.store.rows import load_jobs
from duebook_executor.registration import Registration
from support.api_app import FUTURE, Api, running_api


async def report() -> None: ...


async def register(api: Api, executor: str, defaults: Defaults) -> None:
    task = Task.of("report", report, defaults=defaults)
    about = About(defaults={"report": defaults.json()})
    registration = Registration(
        api.deps.pool, executor, ["reports"], {"report": task}, lambda: None, about=about, running=()
    )
    await registration.step()


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url) as api:
        await register(api, "first", Defaults("reports", timedelta(hours=1), 7))
        yield api


async def stored(api: Api, job_id: str) -> Job:
    async with api.deps.pool.acquire() as db:
        return (await load_jobs(db, [UUID(job_id)]))[UUID(job_id)]


BODY = {"name": "n", "task": "report", "scheduled_at": FUTURE, "max_retries": 1}


async def test_a_job_takes_and_keeps_the_defaults_of_its_task(api: Api) -> None:
    plan = await api.json(200, "POST", "/api/job?dry_run=true", BODY)
    made = await api.json(201, "POST", "/api/job", BODY)
    for view in (plan["job"], made):
        assert (view["queue"], view["timeout"], view["max_retries"]) == ("reports", "PT1H", 1)
    assert made["warnings"] == []
    shown = await api.json(200, "GET", "/api/task/report")
    assert shown["defaults"] == {"queue": "reports", "timeout": "PT3600S", "max_retries": 7}
    assert (await stored(api, made["id"])).definition.left_out == ("queue", "timeout", "backoff")


async def test_the_same_body_twice_changes_nothing_after_a_deploy(api: Api) -> None:
    path, body = f"/api/job/{uuid4()}", {**BODY, "key": "k"}
    first = await api.json(201, "PUT", path, body)
    async with api.deps.pool.acquire() as db:
        await db.execute("DELETE FROM executors")
    await register(api, "second", Defaults("reports", timedelta(hours=2), 7))
    async with api.deps.pool.acquire() as db:
        assert [each.defaults["report"]["timeout"] for each in await executors.registered(db)] == ["PT7200S"]
    api.deps.catalogue._good_until = 0  # it is read again
    del body["scheduled_at"]
    plan = await api.json(200, "POST", "/api/job/batch?dry_run=true&replace=true", {"jobs": [body]})
    assert plan["items"][0]["job"].items() <= first.items()
    await api.json(422, "POST", "/api/job/batch?replace=true", {"jobs": [body]})
    assert (await api.json(200, "PUT", path, body))["version"] == first["version"]
    assert (await api.json(200, "PATCH", path, {"timeout": None}))["timeout"] == "PT2H"
    assert (await api.json(201, "POST", "/api/job", BODY))["timeout"] == "PT2H"
