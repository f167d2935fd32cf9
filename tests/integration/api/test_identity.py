"""What belongs to one key does not belong to another: repeats, derived ids, payloads."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from duebook_api.jobs.requests import IdempotentRequest
from duebook_common.runtime.api_keys import make_key
from duebook_common.store.actor import Actor
from support.api_app import Api, running_api

FIRST = "the-first-key-of-this-test"


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url, key=FIRST) as api:
        api.http.headers["authorization"] = f"Bearer {FIRST}"
        yield api


async def key(api: Api, *scopes: str) -> str:
    """The header's value of a new key."""
    key_id = uuid4().hex[:16]
    text, hash_ = make_key(key_id, "secret")
    add = "INSERT INTO keys (key_id, name, hash, scopes) VALUES ($1, 'test', $2, $3)"
    await api.deps.pool.execute(add, key_id, hash_, scopes)
    return f"Bearer {text}"


async def test_an_idempotency_key_of_a_trigger_belongs_to_the_api_key_that_sends_it(api: Api) -> None:
    job, other = await api.create(), await key(api, "*")
    path = f"/api/job/{job['id']}/trigger"
    first = await api.json(202, "POST", path, {"payload": 1}, idempotency_key="k")
    second = await api.json(202, "POST", path, {"payload": 2}, idempotency_key="k", authorization=other)
    assert second["id"] != first["id"]
    again = await api.json(202, "POST", path, {"payload": 2}, idempotency_key="k", authorization=other)
    assert again["id"] == second["id"]


async def test_the_id_that_a_post_will_derive_cannot_be_taken_by_put(api: Api) -> None:
    body, other = {"name": "n"}, await key(api, "*")
    id_ = IdempotentRequest("job", "k", body).id(Actor("key:first"), 0)
    problem = await api.json(422, "PUT", f"/api/job/{id_}", {"name": "squatter"}, authorization=other)
    assert problem["errors"][0]["pointer"] == "/id"
    created = await api.json(201, "POST", "/api/job", body, idempotency_key="k")
    assert created["id"] == str(id_)
    changed = await api.json(200, "PUT", f"/api/job/{id_}", {"name": "changed"})
    assert changed["name"] == "changed"


@pytest.mark.parametrize("version", [1, 3, 4, 5])
async def test_a_client_may_choose_an_id_of_any_other_version(api: Api, version: int) -> None:
    id_ = UUID(int=uuid5(UUID(int=7), "a name").int, version=version)
    assert (await api.json(201, "PUT", f"/api/job/{id_}", {"name": "n"}))["id"] == str(id_)


PAYLOAD = {"card": "1234"}


async def shown(api: Api, run_id: str, scope: str, query: str = "") -> dict[str, Any]:
    held = await key(api, "runs:read", scope)
    run: dict[str, Any] = await api.json(200, "GET", f"/api/run/{run_id}{query}", authorization=held)
    return run


async def test_a_run_shows_its_payload_to_keys_that_may_read_payloads(api: Api) -> None:
    job = await api.create(payload=PAYLOAD)
    own = await api.json(202, "POST", f"/api/job/{job['id']}/trigger", {"payload": [1]})
    of_the_job = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    await api.json(200, "PATCH", f"/api/job/{job['id']}", {"payload": "later"})
    for query in ("", "?as_of=2099-01-01T00:00:00Z"):
        for scope in ("payloads:read", "read", "*"):
            assert (await shown(api, own["id"], scope, query))["payload"] == [1]
            assert (await shown(api, of_the_job["id"], scope, query))["payload"] == PAYLOAD
        for scope in ("runs:write", "jobs:read", "events:read", "write"):
            assert "payload" not in await shown(api, own["id"], scope, query)


async def test_the_events_of_a_run_hide_its_payload_from_other_keys(api: Api) -> None:
    job = await api.create()
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger", {"payload": PAYLOAD})
    path = f"/api/run/{run['id']}/events"
    for scope, visible in (("payloads:read", True), ("runs:read", False)):
        held = await key(api, "runs:read", scope)
        [event] = (await api.json(200, "GET", path, authorization=held))["items"]
        assert ("1234" in str(event)) is visible
        assert ("payload" in event["data"]) is visible
        assert event["data"]["own_payload"] is True
