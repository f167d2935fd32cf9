"""`wait`: an answer that comes when the run has ended."""

import asyncio
from typing import Any
from uuid import uuid4

from duebook_api.state import run_waits
from support.api_app import FUTURE, Api, fail_for_good
from support.waits import dispatch, succeed, waiting


async def test_a_run_is_answered_when_it_has_ended(api: Api) -> None:
    run = await api.json(202, "POST", f"/api/job/{(await api.create())['id']}/trigger")
    answer_to_come = asyncio.create_task(api.json(200, "GET", f"/api/run/{run['id']}?wait=PT60S"))
    await waiting(api)
    await succeed(api, run["id"])
    assert (await answer_to_come)["result"] == "done"
    assert (await api.json(200, "GET", f"/api/run/{run['id']}?wait=PT60S"))["status"] == "succeeded"


async def test_after_its_time_a_wait_is_answered_with_the_state_then(api: Api) -> None:
    job = await api.create()
    assert (await api.json(202, "POST", f"/api/job/{job['id']}/trigger?wait=PT0.01S"))["status"] == "dispatched"
    assert not api.deps.waits._waiting


async def test_a_trigger_is_answered_when_its_run_has_ended(api: Api) -> None:
    job = await api.create()
    path = f"/api/job/{job['id']}/trigger?wait=PT60S"
    answer_to_come = asyncio.create_task(api.json(202, "POST", path, Idempotency_Key="one"))
    await waiting(api)
    [run] = (await api.json(200, "GET", f"/api/job/{job['id']}/runs"))["items"]
    await api.execute(run["id"], *fail_for_good("boom"))
    assert (await answer_to_come)["status"] == "dead_lettered"
    assert (await api.json(202, "POST", path, Idempotency_Key="one"))["id"] == run["id"]


async def test_a_due_one_off_is_answered_with_its_run(api: Api) -> None:
    body = {"name": "n", "payload": {"a": 1}}
    answer_to_come = asyncio.create_task(api.json(201, "POST", "/api/job?wait=PT60S", body, Idempotency_Key="k"))
    await waiting(api)
    [job] = (await api.json(200, "GET", "/api/job"))["items"]
    run_id = await dispatch(api, job["id"])
    await succeed(api, run_id, {"sum": 3})
    answer = await answer_to_come
    assert (answer["id"], answer["status"]) == (job["id"], "finished")
    assert (answer["run"]["id"], answer["run"]["result"]) == (run_id, {"sum": 3})
    again = await api.json(201, "POST", "/api/job?wait=PT60S", body, Idempotency_Key="k")
    assert again["run"]["id"] == run_id


async def test_a_job_that_has_no_run_in_time_is_answered_without_one(api: Api) -> None:
    assert (await api.json(201, "POST", "/api/job?wait=PT0.01S", {"name": "n"}))["run"] is None


async def test_only_a_due_one_off_is_waited_for_and_for_a_minute_at_most(api: Api) -> None:
    refused = [
        ("POST", "/api/job?wait=PT5S", {"name": "n", "scheduled_at": FUTURE}, "/scheduled_at"),
        ("POST", "/api/job?wait=PT5S", {"name": "n", "recurrence": "daily"}, "/recurrence"),
        ("POST", "/api/job?wait=PT61S", {"name": "n"}, "/wait"),
        ("GET", f"/api/run/{uuid4()}?wait=x", None, "/wait"),
    ]
    for method, path, body, pointer in refused:
        assert (await api.json(422, method, path, body))["errors"][0]["pointer"] == pointer
    assert (await api.json(200, "GET", "/api/job"))["items"] == []


async def test_one_key_cannot_hold_all_waits_and_is_refused_before_it_acts(api: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr(run_waits, "OF_ONE_CLIENT", 1)
    job = await api.create()
    path = f"/api/job/{job['id']}/trigger?wait=PT60S"
    answer_to_come = asyncio.create_task(api.json(202, "POST", path))
    await waiting(api)
    assert (await api.json(429, "POST", path))["code"] == "too_many_waits_of_client"
    assert len((await api.json(200, "GET", f"/api/job/{job['id']}/runs"))["items"]) == 1
    answer_to_come.cancel()
    await asyncio.gather(answer_to_come, return_exceptions=True)
    assert not api.deps.waits._clients.total()


async def test_a_stopping_api_answers_waits_at_once(api: Api) -> None:
    job = await api.create()
    answer_to_come = asyncio.create_task(api.json(202, "POST", f"/api/job/{job['id']}/trigger?wait=PT60S"))
    await waiting(api)
    api.deps.waits.close()
    assert (await answer_to_come)["status"] == "dispatched"
    assert (await api.json(202, "POST", f"/api/job/{job['id']}/trigger?wait=PT60S"))["status"] == "dispatched"
