"""Keys over the API: shown once, never beyond the caller's scopes, revoked at once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from duebook_api.access.api_keys import ApiKeys
from duebook_common.store import key_handling
from support.api_app import Api, running_api
from support.api_keys import FIRST, add_key

ALL = {"authorization": f"Bearer {FIRST}"}
FORGET = "UPDATE keys SET last_used_at = last_used_at - interval '61 seconds'"


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url, key=FIRST) as api:
        yield api


async def make(api: Api, *scopes: str, by: dict[str, str] = ALL, status: int = 201, **fields: Any) -> Any:
    return await api.json(status, "POST", "/api/key", {"name": "ci", "scopes": scopes, **fields}, **by)


def header(key: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {key['key']}"}


async def test_a_key_is_made_shown_once_and_works(api: Api) -> None:
    key = await make(api, "jobs:read", expires_in="P90D")
    assert await api.json(200, "GET", "/api/job", **header(key)) == {"items": [], "next_cursor": None}
    [listed] = (await api.json(200, "GET", "/api/key", **ALL))["items"]
    assert listed == {name: value for name, value in key.items() if name != "key"}
    assert (listed["status"], listed["created_by"]) == ("active", "key:first")
    stored = str(await api.deps.pool.fetch("SELECT data, meta FROM events"))
    assert key["key"] not in stored
    assert "hash" not in stored


@pytest.mark.parametrize(
    ("held", "wanted", "status"),
    [
        (["keys", "jobs:read"], ["jobs:read"], 201),
        (["keys", "read"], ["jobs:read", "read"], 201),
        (["keys", "read"], ["jobs:write"], 403),
        (["keys", "jobs:read"], ["read"], 403),
        (["keys", "read", "write"], ["*"], 403),
        (["keys", "read", "write"], ["keys"], 201),
        (["write"], ["jobs:read"], 403),
    ],
)
async def test_no_key_gives_a_scope_that_it_does_not_have(
    api: Api, held: list[str], wanted: list[str], status: int
) -> None:
    by = await add_key(api, *held)
    refused = await make(api, *wanted, by=by, status=status)
    if status == 403:
        assert refused["code"] == "scope_missing"


@pytest.mark.parametrize(
    "fields",
    [{"scopes": ["jobs"]}, {"scopes": []}, {"name": " "}, {"expires_in": "PT0S"}, {"expires_in": "P99999D"}],
)
async def test_a_wrong_key_is_refused_by_its_field(api: Api, fields: dict[str, Any]) -> None:
    body = {"name": "ci", "scopes": ["jobs:read"], **fields}
    refused = await api.json(422, "POST", "/api/key", body, **ALL)
    assert refused["errors"][0]["pointer"].startswith(f"/{next(iter(fields))}")


async def test_a_revoked_key_is_refused_at_once_by_the_api_that_revoked_it(api: Api) -> None:
    key, other = await make(api, "jobs:read"), await make(api, "jobs:read")
    await api.json(200, "GET", "/api/job", **header(key))  # it is in the cache now
    await api.json(200, "GET", "/api/job", **header(other))
    revoked = await api.json(200, "POST", f"/api/key/{key['id']}/revoke", {"reason": "lost"}, **ALL)
    assert revoked["status"] == "revoked"
    await api.json(401, "GET", "/api/job", **header(key))
    await api.json(200, "GET", "/api/job", **header(other))
    assert await api.json(200, "POST", f"/api/key/{key['id']}/revoke", **ALL) == revoked, "a repeat changes nothing"
    assert await api.deps.pool.fetchval("SELECT count(*) FROM events WHERE type = 'KeyRevoked'") == 1
    await api.json(404, "POST", "/api/key/none/revoke", **ALL)
    for status, ids in (
        ("active", {other["id"]}),
        ("revoked", {key["id"]}),
        ("active,revoked", {key["id"], other["id"]}),
    ):
        listed = await api.json(200, "GET", f"/api/key?status={status}", **ALL)
        assert {each["id"] for each in listed["items"]} == ids


async def test_the_own_key_is_revoked_only_explicitly(api: Api) -> None:
    key = await make(api, "keys")
    path = f"/api/key/{key['id']}/revoke"
    assert (await api.json(409, "POST", path, **header(key)))["code"] == "own_key"
    await api.json(200, "GET", "/api/key", **header(key))
    await api.json(200, "POST", path, {"own": True}, **header(key))
    await api.json(401, "GET", "/api/key", **header(key))


async def test_the_last_use_is_written_once_a_minute_for_each_key(api: Api) -> None:
    keys = ApiKeys(api.deps.pool, None)
    key = await make(api, "jobs:read")

    async def last_used() -> Any:
        await keys.authenticate(key["key"])
        await keys.note_use()
        return await api.deps.pool.fetchval("SELECT last_used_at FROM keys")

    assert await api.deps.pool.fetchval("SELECT last_used_at FROM keys") is None
    first = await last_used()
    assert first is not None
    assert await last_used() == first
    await api.deps.pool.execute(FORGET)
    assert await last_used() > first


async def test_there_is_a_limit_of_active_keys(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_handling, "MOST_KEYS", 1)
    key = await make(api, "jobs:read")
    assert (await make(api, "jobs:read", status=409))["code"] == "too_many_keys"
    await api.json(200, "POST", f"/api/key/{key['id']}/revoke", **ALL)
    await make(api, "jobs:read")


async def test_no_key_makes_a_key_that_outlives_it(api: Api) -> None:
    by = header(await make(api, "keys", "jobs:read", expires_in="P2D"))
    for fields in ({}, {"expires_in": "P3D"}):
        refused = await make(api, "jobs:read", by=by, status=403, **fields)
        assert (refused["code"], refused["errors"][0]["pointer"]) == ("lifetime_too_long", "/expires_in")
    await make(api, "jobs:read", by=by, expires_in="P1D")
