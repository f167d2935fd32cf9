"""Bulk operations over REST, on a real database: requests and their refusals, lists, aborts, scopes."""

from typing import Any
from uuid import UUID

import pytest

from duebook_api.bulk import operations
from duebook_common.store.actor import Actor
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor
from support.api_app import Api, running_api
from support.api_keys import FIRST, add_key

CANCEL = {"action": "cancel", "filter": {"tag": "tenant-7"}, "reason": "the tenant has left"}


async def work(api: Api, bulk: dict[str, Any]) -> dict[str, Any]:
    """Execute the operation as a scheduler does, and show it."""
    executor = BulkExecutor(api.deps.pool, BulkLimits(api.deps.misfire, 1_000), Actor("scheduler test"))
    while (await executor.step(UUID(bulk["id"]), api.deps.clock.now())).goes_on_at is not None:
        pass
    shown: dict[str, Any] = await api.json(200, "GET", f"/api/bulk/{bulk['id']}")
    return shown


async def waiting(api: Api, count: int = 1, **fields: Any) -> list[str]:
    """Runs that have not started."""
    job = await api.create(**fields)
    return [(await api.json(202, "POST", f"/api/job/{job['id']}/trigger"))["id"] for _ in range(count)]


async def test_one_tenants_runs_are_counted_then_cancelled_by_tag(api: Api) -> None:
    runs = await waiting(api, 3, tags=["tenant-7"])
    other = await waiting(api, 1, tags=["tenant-8"])
    dry = await api.json(
        200, "POST", "/api/bulk", {k: v for k, v in CANCEL.items() if k != "reason"} | {"dry_run": True}
    )
    assert dry == {"matched": 3}
    assert await api.pages("/api/bulk", 10) == []
    answer = await api.http.post("/api/bulk", json=CANCEL)
    bulk = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/bulk/{bulk['id']}")
    assert (bulk["status"], bulk["matched"], bulk["done"], bulk["left"]) == ("running", 3, 0, 3)
    assert (bulk["requested_by"], bulk["filter"]) == ("anonymous", {"tag": "tenant-7"})
    ended = await work(api, bulk)
    assert (ended["status"], ended["done"], ended["left"], ended["refused"]) == ("ended", 3, 0, 0)
    for run_id in runs:
        run = await api.json(200, "GET", f"/api/run/{run_id}")
        assert (run["status"], run["reason"]) == ("cancelled", "the tenant has left")
        [last] = (await api.json(200, "GET", f"/api/run/{run_id}/events"))["items"][-1:]
        assert (last["meta"]["bulk"], last["meta"]["actor"]) == (bulk["id"], "anonymous")
    assert (await api.json(200, "GET", f"/api/run/{other[0]}"))["status"] == "dispatched"
    assert [item["id"] for item in await api.pages("/api/bulk?status=ended&action=cancel", 1)] == [bulk["id"]]
    assert await api.pages("/api/bulk?status=running", 1) == []
    assert ended["outcomes"] == {"cancelled": 3}
    assert {run["id"] for run in await api.pages(f"/api/run?bulk={bulk['id']}&status=cancelled", 2)} == {*runs}
    assert await api.pages(f"/api/run?bulk={bulk['id']}&status=running", 2) == []
    assert (
        f'/console/runs?bulk={bulk["id"]}&amp;status=cancelled">3 cancelled</a>'
        in (await api.http.get(f"/console/bulk/{bulk['id']}")).text
    )


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"filter": {}}, "/filter", "an empty filter would match everything"),
        ({"filter": {"all": True, "task": "log"}}, "/filter/all", "send only one of them"),
        ({"filter": {"name": "x"}}, "/filter/name", "cancel has no such filter; it takes status, job_id"),
        ({"filter": {"status": ["running", "succeeded"]}}, "/filter/status", "succeeded: cancel concerns only"),
        ({"filter": {"status": []}}, "/filter/status", "this must list 1 to 10 statuses"),
        ({"filter": {"status": 1}}, "/filter/status", "this must be a status, or a list of statuses"),
        ({"action": "explode"}, "/action", '"explode" is unknown; this version knows pause'),
        ({"reason": None}, "", "a bulk operation needs a `reason`"),
        ({"reason": " "}, "/reason", "a reason must not be blank"),
        ({"rate": 0}, "/rate", ""),
        ({"limit": 0}, "/limit", ""),
        ({"action": "pause", "filter": {"status": "paused"}}, "/filter/status", "pause concerns only what is active"),
        ({"action": "discard", "filter": {"status": "x"}}, "/filter/status", "discard has no such filter"),
    ],
)
async def test_a_request_that_does_not_fit_is_refused(
    api: Api, change: dict[str, Any], pointer: str, says: str
) -> None:
    problem = await api.json(422, "POST", "/api/bulk", CANCEL | change)
    [error] = problem["errors"]
    assert error["pointer"] == pointer
    assert says in error["detail"]


async def test_an_idempotency_key_records_one_operation(api: Api) -> None:
    await waiting(api, tags=["tenant-7"])
    first = await api.json(202, "POST", "/api/bulk", CANCEL, Idempotency_Key="k")
    ended = await work(api, first)
    again = await api.json(202, "POST", "/api/bulk", CANCEL, Idempotency_Key="k")
    assert again | {"outcomes": {"cancelled": 1}} == ended
    problem = await api.json(422, "POST", "/api/bulk", CANCEL | {"rate": 1}, Idempotency_Key="k")
    assert problem["code"] == "idempotency_key_reused"
    assert len(await api.pages("/api/bulk", 10)) == 1


async def test_an_abort_keeps_what_was_done_and_an_ended_operation_cannot_be_aborted(api: Api) -> None:
    await waiting(api, 3, tags=["tenant-7"])
    bulk = await api.json(202, "POST", "/api/bulk", CANCEL | {"rate": 0.001})
    executor = BulkExecutor(api.deps.pool, BulkLimits(api.deps.misfire, 1_000), Actor("scheduler test"))
    await executor.step(UUID(bulk["id"]), api.deps.clock.now())
    path = f"/api/bulk/{bulk['id']}"
    shown = await api.json(200, "GET", path)
    assert (shown["done"], shown["left"]) == (1, 2)
    assert shown["estimated_end_at"] > shown["requested_at"]
    aborted = await api.json(202, "POST", f"{path}/abort", {"reason": "too many"})
    assert (aborted["status"], aborted["done"], aborted["left"]) == ("aborted", 1, 0)
    assert (aborted["aborted_by"], aborted["abort_reason"]) == ("anonymous", "too many")
    assert await api.json(202, "POST", f"{path}/abort") == aborted
    assert await work(api, bulk) == aborted | {"outcomes": {"cancelled": 1}}
    other = await work(api, await api.json(202, "POST", "/api/bulk", CANCEL))
    assert (await api.json(409, "POST", f"/api/bulk/{other['id']}/abort"))["code"] == "wrong_status"
    await api.json(404, "GET", path[:-4] + "0000")
    await api.json(404, "POST", path[:-4] + "0000/abort")


async def test_a_key_has_a_bounded_number_of_running_operations(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MOST_RUNNING", 2)
    bulks = [await api.json(202, "POST", "/api/bulk", CANCEL) for _ in range(2)]
    problem = await api.json(429, "POST", "/api/bulk", CANCEL)
    assert problem["code"] == "too_many_bulk_operations"
    assert "wait until one has ended, or abort one" in problem["detail"]
    await api.json(202, "POST", f"/api/bulk/{bulks[0]['id']}/abort")
    await api.json(202, "POST", "/api/bulk", CANCEL)


async def test_an_operation_needs_the_scope_of_its_action(postgres_url: str) -> None:
    scopes = {
        "pause": "jobs",
        "resume": "jobs",
        "delete": "jobs",
        "trigger": "runs",
        "cancel": "runs",
        "redrive": "dead-letters",
        "discard": "dead-letters",
    }
    everything = {"filter": {"all": True}, "reason": "x"}
    async with running_api(postgres_url, key=FIRST) as api:
        keys = {name: await add_key(api, f"{name}:write", f"{name}:read") for name in {*scopes.values()}}
        for action, resource in scopes.items():
            for name, key in keys.items():
                expected = 202 if name == resource else 403
                body = everything | {"action": action}
                answer = await api.json(expected, "POST", "/api/bulk", body, **key)
                if expected == 403:
                    assert f"the scope {resource}:write" in answer["detail"]
                    continue
                own = f"/api/bulk/{answer['id']}"
                await api.json(200, "GET", own, **key)
                for stranger in keys.keys() - {name}:
                    await api.json(403, "GET", own, **keys[stranger])
                    await api.json(403, "POST", f"{own}/abort", **keys[stranger])
                listed = (await api.json(200, "GET", "/api/bulk", **key))["items"]
                assert {scopes[item["action"]] for item in listed} == {resource}
                await api.json(202, "POST", f"{own}/abort", **key)


async def test_why_names_the_bulk_operation_and_its_reason(api: Api) -> None:
    [run_id] = await waiting(api, tags=["tenant-7"])
    bulk = await work(api, await api.json(202, "POST", "/api/bulk", CANCEL))
    by = f"A client without an API key, by the bulk operation {bulk['id']},"
    why = await api.json(200, "GET", f"/api/run/{run_id}/why")
    assert why["answer"].startswith(f"{by} cancelled it, with the reason “the tenant has left”; it ended at")
    assert why["because"][-1]["says"].startswith(f"{by} cancelled it before it started, with the reason “the tenant")
    job = await api.create(tags=["tenant-9"])
    path, filter_ = f"/api/job/{job['id']}", {"tag": "tenant-9"}
    for action, says in (("pause", "paused the job"), ("trigger", "triggered it"), ("delete", "deleted the job")):
        body = {"action": action, "filter": filter_, "reason": f"the reason to {action}"}
        bulk = await work(api, await api.json(202, "POST", "/api/bulk", body))
        assert bulk["done"] == 1
        if action == "trigger":
            [run] = await api.pages(f"/api/run?cause={bulk['id']}", 10)
            assert run["cause"] == bulk["id"]
            why = await api.json(200, "GET", f"/api/run/{run['id']}/why")
        else:
            why = await api.json(200, "GET", f"{path}/why")
        text = " ".join([why["answer"], *(each["says"] for each in why["because"])])
        assert f"by the bulk operation {bulk['id']}, {says} at" in text
        assert f"with the reason “the reason to {action}”" in text
