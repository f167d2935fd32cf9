"""The number of work queues is bounded wherever a job names one."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from duebook_api.state.queue_names import QueueNames
from support.api_app import FUTURE, Api, running_api


@pytest.fixture
async def limited(postgres_url: str) -> AsyncIterator[Api]:
    """An api with at most three queues, of which two exist."""
    async with running_api(postgres_url, queue_names=QueueNames(3)) as api:
        for queue in ("default", "second"):
            await api.create(queue=queue)
        yield api


def job(queue: str) -> dict[str, Any]:
    return {"name": "a job", "scheduled_at": FUTURE, "queue": queue}


async def refused(api: Api, method: str, path: str, body: Any) -> Any:
    problem = await api.json(409, method, path, body)
    assert problem["code"] == "too_many_queues"
    assert "DUEBOOK_MAX_QUEUES allows 3" in problem["detail"]
    return [error["pointer"] for error in problem["errors"]]


async def test_a_job_that_names_one_queue_too_many_is_refused_everywhere(limited: Api) -> None:
    batch = {"jobs": [job("default"), job("third"), job("fourth"), job("fourth")]}
    assert await refused(limited, "POST", "/api/job/batch", batch) == ["/jobs/1/queue", "/jobs/2/queue"]
    existing = await limited.create(queue="third")
    path = f"/api/job/{existing['id']}"
    for method, at in (("POST", "/api/job"), ("PUT", path), ("PUT", f"/api/job/{uuid4()}")):
        assert await refused(limited, method, at, job("fourth")) == ["/queue"]
    assert await refused(limited, "PATCH", path, {"queue": "fourth"}) == ["/queue"]
    assert (await limited.json(200, "PATCH", path, {"queue": "second"}))["queue"] == "second"
    assert await limited.pages("/api/job?queue=fourth", 10) == []


async def test_a_thousand_new_queues_in_a_batch_are_refused_with_one_hundred_faults(api: Api) -> None:
    batch = {"jobs": [job(f"queue-{n}") for n in range(1_000)]}
    problem = await api.json(409, "POST", "/api/job/batch", batch)
    assert problem["detail"].startswith("there are 0 work queues, and DUEBOOK_MAX_QUEUES allows 200: 'queue-0' and 999")
    assert len(problem["errors"]) == 100


async def test_a_repeat_is_answered_although_there_are_too_many_queues_by_now(limited: Api) -> None:
    first = await limited.json(201, "POST", "/api/job", job("third"), Idempotency_Key="k")
    await limited.deps.pool.execute("UPDATE queues SET name = 'fourth' WHERE name = 'third'")
    limited.deps.queue_names._good_until = 0
    assert await limited.json(201, "POST", "/api/job", job("third"), Idempotency_Key="k") == first


async def test_what_is_no_queue_name_is_not_counted(limited: Api) -> None:
    existing = await limited.create()
    await limited.json(422, "PATCH", f"/api/job/{existing['id']}", {"queue": "No Name"})
    await limited.json(422, "POST", "/api/job", job("third") | {"priority": 99})
    assert await limited.deps.pool.fetchval("SELECT count(*) FROM queues") == 2
