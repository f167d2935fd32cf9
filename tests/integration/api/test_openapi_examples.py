"""The examples of the OpenAPI document are accepted as they stand."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from duebook_common.runtime.api_keys import make_key
from support.api_app import Api, running_api

BULK = {"action": "pause", "filter": {"all": True}, "reason": "a test"}
KEY = {"name": "an example", "scopes": ["jobs:read"]}
JOB = "01a218f6-cf4d-72cb-8988-eac87f8c671c"


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    key, hash_ = make_key("abc", "a-secret-of-this-test")
    async with running_api(postgres_url, key="not used in this test") as api:
        add = "INSERT INTO keys (key_id, name, hash, scopes) VALUES ('abc', 'test', $1, '{*}')"
        await api.deps.pool.execute(add, hash_)
        api.http.headers["authorization"] = f"Bearer {key}"
        yield api


async def test_every_example_of_a_request_is_accepted(api: Api) -> None:
    document = (await api.http.get("/api/openapi.json")).json()
    sent = 0
    del document["paths"]["/api/job/{job_id}/backfill"]  # its range depends on the age of the job
    del document["paths"]["/api/notification/{notification_id}/resend"]  # it needs a mail
    for erased in ("run", "job"):  # it needs one that has ended
        del document["paths"][f"/api/{erased}/{{{erased}_id}}/erase"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                ids = {"job_id": (await api.create())["id"], "run_id": (await run_of(api, path))["id"]}
                ids |= {"key_id": (await api.json(201, "POST", "/api/key", KEY))["id"], "queue_name": "default"}
                if "{bulk_id}" in path:
                    ids["bulk_id"] = (await api.json(202, "POST", "/api/bulk", BULK))["id"]
                url = path.format(**ids)
                answer = await api.http.request(method, url, json=content["example"])
                assert answer.is_success, (method, path, answer.text)
                sent += 1
    assert sent > 12


async def run_of(api: Api, path: str) -> dict[str, Any]:
    if path.startswith("/api/dead-letter/"):
        return await api.dead_letter()
    job = await api.create()
    run: dict[str, Any] = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    return run


async def test_every_example_of_a_parameter_is_accepted(api: Api) -> None:
    await api.json(201, "PUT", f"/api/job/{JOB}", {"name": "n"})
    document = (await api.http.get("/api/openapi.json")).json()
    sent = 0
    for path, methods in document["paths"].items():
        parameters = methods.get("get", {}).get("parameters", [])
        examples = {each["name"]: each["example"] for each in parameters if each["in"] == "query"}
        for name in examples:
            if name == "cursor" or path.endswith("/stream"):
                continue
            url = path.format(job_id=JOB, run_id=JOB, log_id="1-1")
            step = {"step"} & examples.keys() if name == "from" else set()  # a range until now has more days each day
            answer = await api.http.get(url, params={each: examples[each] for each in (name, *step)})
            assert answer.status_code in {200, 404}, (path, name, answer.text)
            sent += 1
    assert sent > 25
