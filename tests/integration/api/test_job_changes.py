"""PUT and PATCH of a job, on a real database."""

import asyncio
from uuid import uuid4

from support.api_app import FUTURE, Api


async def test_put_creates_then_changes_nothing_then_replaces(api: Api) -> None:
    path, body = f"/api/job/{uuid4()}", {"name": "n", "payload": 1}
    created = await api.json(201, "PUT", path, body)
    assert path.endswith(created["id"])
    assert await api.json(200, "PUT", path, body) == created
    replaced = await api.json(200, "PUT", path, body | {"payload": True})  # 1 == True, but only to Python
    assert (replaced["payload"], replaced["version"]) == (True, 2)
    assert replaced["scheduled_at"] == created["scheduled_at"]
    assert (await api.json(200, "PUT", path, body | {"payload": True}))["version"] == 2


async def test_equal_puts_at_once_make_one_job(api: Api) -> None:
    path = f"/api/job/{uuid4()}"
    answers = await asyncio.gather(*(api.http.put(path, json={"name": "n"}) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert {answer.json()["version"] for answer in answers} == {1}


async def test_patch_merges_and_null_restores_the_default(api: Api) -> None:
    job = await api.create(backoff={"initial": "PT2S", "factor": 3}, metadata={"a": {"b": 1, "c": 2}}, priority=9)
    path = f"/api/job/{job['id']}"
    patch = {"backoff": {"factor": 4}, "metadata": {"a": {"b": None}}, "priority": None}
    changed = await api.json(200, "PATCH", path, patch)
    assert changed["backoff"] == {"initial": "PT2S", "factor": 4, "max": "PT1H", "jitter": 0.2}
    assert (changed["metadata"], changed["priority"], changed["version"]) == ({"a": {"c": 2}}, 4, 2)
    assert (await api.json(200, "PATCH", path, patch))["version"] == 2
    for field in ("name", "max_run"):  # one is required, the other is none
        problem = await api.json(422, "PATCH", path, {field: None})
        assert problem["errors"][0]["pointer"] == f"/{field}"


async def test_a_stale_if_match_changes_nothing(api: Api) -> None:
    job = await api.create()
    path = f"/api/job/{job['id']}"
    await api.json(200, "PATCH", path, {"name": "b"}, if_match='W/"1"')
    for method, body in (("PATCH", {"name": "c"}), ("PUT", {"name": "c"}), ("DELETE", None)):
        problem = await api.json(412, method, path, body, if_match='"1"')
        assert problem["code"] == "stale_version"
    assert (await api.json(200, "GET", path))["name"] == "b"
    await api.json(412, "PUT", f"/api/job/{uuid4()}", {"name": "c"}, if_match="*")
    unquoted = await api.json(412, "PATCH", path, {"name": "c"}, if_match="2")
    assert unquoted["detail"].startswith('If-Match must be "2", in quotes, for the job\'s version 2')


async def test_an_answer_can_be_sent_back(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT1H"}, metadata={"a": [1]})
    path = f"/api/job/{job['id']}"
    assert await api.json(200, "PUT", path, job) == job
    assert await api.json(200, "PATCH", path, job) == job
    changed = await api.json(200, "PUT", path, job | {"name": "another", "warnings": []})
    assert (changed["name"], changed["version"]) == ("another", job["version"] + 1)
    paused = await api.json(200, "POST", f"{path}/pause", {"reason": "holidays"})
    assert await api.json(200, "PUT", path, paused) == paused
    for method in ("PUT", "PATCH"):
        for field, value in (("status", "active"), ("version", 99), ("id", FUTURE), ("next_due_at", FUTURE)):
            problem = await api.json(422, method, path, paused | {field: value})
            assert [error["pointer"] for error in problem["errors"]] == [f"/{field}"]


async def test_a_job_that_does_not_exist_has_no_other_read_only_field_than_its_id(api: Api) -> None:
    new = str(uuid4())
    problem = await api.json(422, "PUT", f"/api/job/{new}", {"name": "n", "id": new, "version": 1})
    assert [error["pointer"] for error in problem["errors"]] == ["/version"]
    await api.json(201, "PUT", f"/api/job/{new}", {"name": "n", "id": new})
    assert (await api.json(422, "POST", "/api/job", {"name": "n", "id": new}))["errors"][0]["pointer"] == "/id"


async def test_if_none_match_creates_and_never_replaces(api: Api) -> None:
    path = f"/api/job/{uuid4()}"
    created = await api.json(201, "PUT", path, {"name": "a"}, if_none_match="*")
    for tag in ("*", '"1"', 'W/"1"', '"7", "1"'):
        problem = await api.json(412, "PUT", path, {"name": "b"}, if_none_match=tag)
        assert problem["code"] == "stale_version"
        await api.json(412, "PATCH", path, {"name": "b"}, if_none_match=tag)
    assert (await api.json(200, "GET", path))["version"] == created["version"] == 1
    assert (await api.json(200, "PUT", path, {"name": "b"}, if_none_match='"7"'))["name"] == "b"
    await api.json(204, "DELETE", path)
    await api.json(412, "PUT", path, {"name": "a"}, if_none_match="*")


async def test_of_equal_creations_at_once_one_succeeds(api: Api) -> None:
    path = f"/api/job/{uuid4()}"
    puts = (api.http.put(path, json={"name": "a"}, headers={"if-none-match": "*"}) for _ in range(10))
    statuses = [answer.status_code for answer in await asyncio.gather(*puts)]
    assert sorted(statuses) == [201] + [412] * 9
