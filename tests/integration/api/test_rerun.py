"""Reruns over REST, on a real database."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from duebook_common.domain.run.commands import StartAttempt, Succeed
from support.api_app import Api
from support.bookkeeping import check_invariants

SECOND = timedelta(seconds=1)


async def ended(api: Api, payload: Any = None, **fields: Any) -> Any:
    """A run that has succeeded, triggered with this payload if one is given."""
    job = await api.create(**fields)
    body = {} if payload is None else {"payload": payload}
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger", body)
    now = api.deps.clock.now()
    await api.execute(run["id"], StartAttempt(0, "executor-1", 30 * SECOND, now), Succeed(1, None, now))
    return await api.json(200, "GET", f"/api/run/{run['id']}")


async def test_a_rerun_has_the_payload_and_the_nominal_time_of_its_run(api: Api) -> None:
    for run in (await ended(api, payload={"n": 7}), await ended(api, payload={"n": 8})):
        path = f"/api/job/{run['job_id']}"
        await api.json(200, "PATCH", path, {"payload": {"n": 9}})
        rerun = await api.json(202, "POST", f"/api/run/{run['id']}/rerun")
        assert (rerun["trigger"], rerun["cause"], rerun["nominal_at"]) == ("rerun", run["id"], run["nominal_at"])
        assert (rerun["status"], rerun["due_at"] > run["due_at"]) == ("dispatched", True)
        assert (await api.json(200, "GET", f"/api/run/{rerun['id']}"))["payload"] == run["payload"]
    await check_invariants(api.deps.pool)


async def test_why_and_lists_lead_from_each_run_to_the_other(api: Api) -> None:
    run = await ended(api)
    rerun = await api.json(202, "POST", f"/api/run/{run['id']}/rerun")
    assert [each["id"] for each in await api.pages(f"/api/run?cause={run['id']}", 1)] == [rerun["id"]]
    assert [each["id"] for each in await api.pages("/api/run?trigger=rerun", 1)] == [rerun["id"]]
    first = (await api.json(200, "GET", f"/api/run/{rerun['id']}/why"))["because"][0]
    assert f"ran the run {run['id']} again at" in first["says"]
    last = (await api.json(200, "GET", f"/api/run/{run['id']}/why"))["because"][-1]
    assert (last["run_id"], "It was run again at" in last["says"]) == (rerun["id"], True)


async def test_an_idempotency_key_repeats_a_run_once(api: Api) -> None:
    run, other = await ended(api), await ended(api)
    path = f"/api/run/{run['id']}/rerun"
    first = await api.json(202, "POST", path, Idempotency_Key="k")
    assert await api.json(202, "POST", path, {}, Idempotency_Key="k") == first
    assert (await api.json(202, "POST", path))["id"] != first["id"]
    assert (await api.json(202, "POST", f"/api/run/{other['id']}/rerun", Idempotency_Key="k"))["cause"] == other["id"]


async def test_only_an_ended_run_of_a_job_that_is_not_deleted_can_be_repeated(api: Api) -> None:
    dead = await api.dead_letter()
    refused = await api.json(409, "POST", f"/api/run/{dead['id']}/rerun")
    assert (refused["code"], "redrive" in refused["detail"]) == ("wrong_status", True)
    waiting = await api.json(202, "POST", f"/api/job/{dead['job_id']}/trigger")
    assert (await api.json(409, "POST", f"/api/run/{waiting['id']}/rerun"))["code"] == "wrong_status"
    assert (await api.json(422, "POST", f"/api/run/{waiting['id']}/rerun", {"payload": 1}))["code"] == "invalid"
    await api.json(404, "POST", f"/api/run/{uuid4()}/rerun")
    run = await ended(api)
    await api.json(204, "DELETE", f"/api/job/{run['job_id']}")
    assert (await api.json(409, "POST", f"/api/run/{run['id']}/rerun"))["code"] == "job_deleted"


async def test_a_rerun_leaves_the_schedule_as_it_is(api: Api) -> None:
    run = await ended(api, recurrence="daily")
    before = await api.json(200, "GET", f"/api/job/{run['job_id']}")
    await api.json(202, "POST", f"/api/run/{run['id']}/rerun")
    after = await api.json(200, "GET", f"/api/job/{run['job_id']}")
    assert after["next_due_at"] == before["next_due_at"]
