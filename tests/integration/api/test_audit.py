"""The audit: what people and programs did, and nothing that a service did by itself."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from duebook_api.keys import audit
from duebook_common.domain.job.commands import PauseJob
from duebook_common.store.actor import Actor
from duebook_common.store.job_handling import handle_job
from support.api_app import Api, fail_for_good, running_api
from support.api_keys import FIRST, add_key
from support.query_cost import query_cost

ALL = {"authorization": f"Bearer {FIRST}"}


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url, key=FIRST) as api:
        yield api


async def acts(api: Api, filters: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """All pages of the audit; the last page alone may have no cursor."""
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        given = f"{filters}&limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        page = await api.json(200, "GET", f"/api/audit?{given}", **ALL)
        items, cursor = items + page["items"], page["next_cursor"]
    return items


def types(items: list[dict[str, Any]]) -> list[str]:
    return [item["type"] for item in items]


async def create(api: Api, by: dict[str, str]) -> str:
    job = await api.json(201, "POST", "/api/job", {"name": "n", "scheduled_at": "2100-01-01T00:00:00Z"}, **by)
    return str(job["id"])


async def test_the_audit_says_who_did_what_and_why(api: Api) -> None:
    by = await add_key(api, "write", "read")
    job_id = await create(api, by)
    await api.json(200, "POST", f"/api/job/{job_id}/pause", {"reason": "maintenance"}, **by)
    paused, created = await acts(api)
    assert (paused["type"], paused["reason"], paused["job_id"]) == ("JobPaused", "maintenance", job_id)
    assert (paused["key_name"], created["type"]) == ("test", "JobCreated")
    assert paused["actor"] == (await api.json(200, "GET", "/api/whoami", **by))["actor"]
    assert "payload" not in created["data"]["definition"]
    assert await acts(api, "actor=key:first") == []


async def test_the_audit_hides_definitions_from_keys_that_may_not_read_jobs(api: Api) -> None:
    await create(api, ALL)
    for scopes, shown in (["keys"], False), (["keys", "jobs:read"], True):
        page = await api.json(200, "GET", "/api/audit?type=JobCreated", **await add_key(api, *scopes))
        (definition,) = (item["data"]["definition"] for item in page["items"])
        assert definition["name"] == "n" if shown else "the scope jobs:read" in definition


async def test_what_services_do_by_themselves_is_no_act(api: Api) -> None:
    job_id = await create(api, ALL)
    run = await api.json(202, "POST", f"/api/job/{job_id}/trigger", **ALL)
    for actor in ("scheduler node-1", "executor a/b", "notifier c"):
        await handle_job(api.deps.pool, UUID(job_id), PauseJob(actor, api.deps.context()), Actor(actor))
    await api.execute(run["id"], *fail_for_good("boom"))  # by the actor `test`
    assert types(await acts(api, "actor=key:first")) == ["RunDispatched", "JobCreated"]
    assert not {item["actor"] for item in await acts(api)} & {"scheduler node-1", "executor a/b", "notifier c"}


async def test_keys_made_and_revoked_are_in_the_audit(api: Api) -> None:
    key = await api.json(201, "POST", "/api/key", {"name": "ci", "scopes": ["jobs:read"]}, **ALL)
    await api.json(200, "POST", f"/api/key/{key['id']}/revoke", {"reason": "lost"}, **ALL)
    revoked, made = await acts(api)
    assert (revoked["type"], revoked["reason"]) == ("KeyRevoked", "lost")
    assert (made["type"], made["data"]["scopes"], made["stream"]) == ("KeyMade", ["jobs:read"], f"key-{key['id']}")


async def test_each_filter_finds_its_acts_on_pages_of_any_size(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SCANNED", 3)
    by = await add_key(api, "write", "read")
    rare = await create(api, by)
    middle = (await api.deps.pool.fetchval("SELECT clock_timestamp()")).isoformat().replace("+", "%2B")
    for _ in range(7):
        await create(api, ALL)
    await api.json(200, "POST", f"/api/job/{rare}/pause", {"reason": "r"}, **ALL)
    for limit in (1, 2, 50):
        assert types(await acts(api, f"job_id={rare}", limit)) == ["JobPaused", "JobCreated"]
        assert types(await acts(api, "type=JobPaused,JobResumed", limit)) == ["JobPaused"]
        assert len(await acts(api, "actor=key:first", limit)) == 8
        assert len(await acts(api, f"from={middle}", limit)) == 8
        assert [each["job_id"] for each in await acts(api, f"to={middle}", limit)] == [rare]
        assert await acts(api, "actor=none", limit) == []
        assert len(await acts(api, "", limit)) == 9


async def test_the_audit_reads_few_rows_however_much_services_did(api: Api) -> None:
    await create(api, ALL)
    await api.deps.pool.execute(
        """INSERT INTO events (stream, version, id, type, data, meta, recorded_at)
           SELECT 'run-' || n, 1, gen_random_uuid(), 'AttemptStarted', '{}', '{"actor": "executor a"}', now()
           FROM generate_series(1, 20000) AS n"""
    )
    await api.deps.pool.execute("ANALYZE events")
    statement = f"{audit._NEWEST} LIMIT 51"
    found = await query_cost(api.deps.pool, statement, 2**63, 0)
    assert found.buffers < 30, found
