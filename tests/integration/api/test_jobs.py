"""Jobs over REST, on a real database."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

from duebook_common.domain.run.commands import StartAttempt
from support.api_app import FUTURE, Api
from support.bookkeeping import serve
from support.job_defaults import DEFAULTS


async def test_four_fields_make_a_job_and_the_answer_has_every_default(api: Api) -> None:
    body = {"name": "n", "payload": {"a": [1]}, "scheduled_at": "2100-01-01T02:00:00+02:00", "recurrence": "daily"}
    answer = await api.http.post("/api/job", json=body)
    job = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/job/{job['id']}"
    assert answer.headers["etag"] == '"1"'
    assert job["created_at"].endswith("Z")
    assert len(job.pop("warnings")) == 1  # no executor runs yet
    given = {"name": "n", "payload": {"a": [1]}, "scheduled_at": FUTURE, "recurrence": "daily"}
    added = {"status": "active", "next_due_at": FUTURE, "version": 1}
    assert job == DEFAULTS | given | added | {name: job[name] for name in ("id", "created_at", "updated_at")}
    shown = await api.json(200, "GET", f"/api/job/{job['id']}")
    assert shown | {"warnings": []} == job | {"warnings": []}


async def test_a_registered_task_gives_no_warning(api: Api) -> None:
    await serve(api.deps.pool)
    assert (await api.create())["warnings"] == []
    (unknown,) = (await api.create(task="nightly"))["warnings"]
    assert unknown.startswith("no executor of the queue “default” has registered the task “nightly”")
    (unserved,) = (await api.create(queue="gpu"))["warnings"]
    assert unserved.startswith("no executor serves the queue “gpu”")


async def test_the_same_key_and_body_return_the_first_job(api: Api) -> None:
    body = {"name": "n", "payload": {"b": 1, "a": 2}}
    first = await api.json(201, "POST", "/api/job", body, idempotency_key="k")
    again = await api.json(201, "POST", "/api/job", {"payload": {"a": 2, "b": 1}, "name": "n"}, idempotency_key="k")
    assert again == first
    refused = await api.json(422, "POST", "/api/job", {"name": "other"}, idempotency_key="k")
    assert refused["code"] == "idempotency_key_reused"
    assert (await api.json(201, "POST", "/api/job", body, idempotency_key="l"))["id"] != first["id"]


async def test_a_repeat_returns_the_job_even_after_its_end(api: Api) -> None:
    ends_at = (api.deps.clock.now() + timedelta(hours=1)).isoformat()
    body = {"name": "n", "recurrence": "daily", "ends_at": ends_at}
    first = await api.json(201, "POST", "/api/job", body, idempotency_key="k")
    api.pass_time(timedelta(hours=2))
    assert (await api.json(201, "POST", "/api/job", body, idempotency_key="k"))["id"] == first["id"]
    await api.json(422, "POST", "/api/job", body, idempotency_key="l")


async def test_equal_requests_at_once_make_one_job(api: Api) -> None:
    calls = [api.json(201, "POST", "/api/job", {"name": "n"}, idempotency_key="k") for _ in range(20)]
    assert len({job["id"] for job in await asyncio.gather(*calls)}) == 1
    assert len(await api.pages("/api/job", 50)) == 1


async def test_many_single_jobs_at_once_are_all_created(api: Api) -> None:
    jobs = await asyncio.gather(*(api.create(name=f"job {n}", tags=["t"] * (n % 3)) for n in range(60)))
    found = {job["id"]: job for job in await api.pages("/api/job", 50)}
    assert {job["id"]: job["name"] for job in jobs} == {id_: job["name"] for id_, job in found.items()}


async def test_a_batch_is_created_completely_or_not_at_all(api: Api) -> None:
    valid = [{"name": str(n), "tags": ["a"] * n, "scheduled_at": FUTURE} for n in range(3)]
    problem = await api.json(422, "POST", "/api/job/batch", {"jobs": [*valid, {"name": "x", "nope": 1}, {}]})
    assert [error["pointer"] for error in problem["errors"]] == ["/jobs/3/nope", "/jobs/4/name"]
    assert await api.pages("/api/job", 50) == []
    created = await api.json(201, "POST", "/api/job/batch", {"jobs": valid}, idempotency_key="k")
    assert [job["name"] for job in created["items"]] == ["0", "1", "2"]
    again = await api.json(201, "POST", "/api/job/batch", {"jobs": valid}, idempotency_key="k")
    assert again == created
    await api.json(422, "POST", "/api/job/batch", {"jobs": valid[:2]}, idempotency_key="k")
    assert [job["tags"] for job in created["items"]] == [[], ["a"], ["a", "a"]]


async def test_the_pages_hold_every_job_once_newest_first(api: Api) -> None:
    batch = [{"name": str(n), "scheduled_at": FUTURE} for n in range(7)]  # all created at the same instant
    await api.json(201, "POST", "/api/job/batch", {"jobs": batch})
    newest = await api.create(name="newest")
    items = await api.pages("/api/job", 3)
    assert items[0]["id"] == newest["id"]
    assert sorted(item["name"] for item in items) == ["0", "1", "2", "3", "4", "5", "6", "newest"]


async def test_lists_can_be_filtered(api: Api) -> None:
    await api.create(name="a", tags=["x", "y"], queue="q1")
    b = await api.create(name="b", task="other", tags=["y"])
    await api.json(200, "POST", f"/api/job/{b['id']}/pause")

    async def names(query: str) -> list[str]:
        return [job["name"] for job in await api.pages(f"/api/job?{query}", 10)]

    assert await names("tag=x") == ["a"]
    assert await names("tag=y") == ["b", "a"]
    assert await names("task=other") == ["b"]
    assert await names("queue=q1") == ["a"]
    assert await names("status=paused") == ["b"]
    assert await names("name=a&status=active") == ["a"]


async def _events(api: Api, path: str) -> list[tuple[str, Any]]:
    return [(event["type"], event["data"]) for event in await api.pages(f"{path}/events", 2)]


async def test_occurrences_during_a_pause_are_skipped_on_resume(api: Api) -> None:
    start = api.deps.clock.now() + timedelta(hours=1)
    job = await api.create(recurrence="daily", scheduled_at=start.isoformat())
    path = f"/api/job/{job['id']}"
    paused = await api.json(200, "POST", f"{path}/pause", {"reason": "holidays"})
    assert (paused["status"], paused["next_due_at"], paused["reason"]) == ("paused", None, "holidays")
    assert (await api.json(200, "POST", f"{path}/pause"))["reason"] == "holidays"
    api.pass_time(timedelta(days=3))
    resumed = await api.json(200, "POST", f"{path}/resume")
    assert resumed["status"] == "active"
    assert resumed["next_due_at"] > (start + timedelta(days=2)).isoformat()
    events = await _events(api, path)
    assert [type_ for type_, _ in events] == ["JobCreated", "JobPaused", "OccurrencesSkipped", "JobResumed"]
    assert (events[2][1]["count"], events[2][1]["reason"]) == (3, "paused")
    assert await api.pages(f"{path}/runs", 10) == []


async def test_a_due_occurrence_runs_by_the_old_definition_before_a_change(api: Api) -> None:
    start = api.deps.clock.now() + timedelta(hours=1)
    job = await api.create(recurrence="daily", scheduled_at=start.isoformat(), payload="old")
    path = f"/api/job/{job['id']}"
    api.pass_time(timedelta(hours=1, seconds=5))
    await api.json(200, "PATCH", path, {"payload": "new"})
    [run] = await api.pages(f"{path}/runs", 10)
    assert (run["status"], run["job_version"], run["trigger"]) == ("dispatched", 1, "schedule")
    assert [type_ for type_, _ in await _events(api, path)] == ["JobCreated", "JobChanged"]


async def test_a_finished_one_off_moved_to_the_past_runs_once(api: Api) -> None:
    job = await api.create(scheduled_at=(api.deps.clock.now() + timedelta(seconds=30)).isoformat())
    path = f"/api/job/{job['id']}"
    api.pass_time(timedelta(seconds=40))
    earlier = (api.deps.clock.now() - timedelta(days=30)).isoformat().replace("+00:00", "Z")
    moved = {"scheduled_at": earlier}
    assert (await api.json(200, "PATCH", path, moved))["status"] == "active"  # the old time has run, the new one is due
    assert (await api.json(200, "PATCH", path, {"priority": 5}))["status"] == "finished"
    times = [run["nominal_at"] for run in await api.pages(f"{path}/runs", 10)]
    assert sorted(times) == [earlier, job["scheduled_at"]]
    assert (await api.json(200, "PATCH", path, {"scheduled_at": job["scheduled_at"]}))["status"] == "finished"


async def test_delete_skips_due_occurrences_and_cancels_runs_not_started(api: Api) -> None:
    start = api.deps.clock.now() + timedelta(hours=1)
    job = await api.create(recurrence="daily", scheduled_at=start.isoformat())
    path = f"/api/job/{job['id']}"
    waiting = await api.json(202, "POST", f"{path}/trigger")
    running = await api.json(202, "POST", f"{path}/trigger")
    now = api.deps.clock.now()
    await api.execute(running["id"], StartAttempt(0, "executor-1", timedelta(seconds=30), now))
    api.pass_time(timedelta(hours=2))
    await api.json(204, "DELETE", path)
    await api.json(204, "DELETE", path)
    assert (await api.json(200, "GET", path))["status"] == "deleted"
    states = {run["id"]: run["status"] for run in await api.pages(f"{path}/runs", 10)}
    assert states == {waiting["id"]: "cancelled", running["id"]: "running"}
    assert [type_ for type_, _ in await _events(api, f"/api/run/{running['id']}")] == [
        "RunDispatched",
        "AttemptStarted",
    ]
    events = await _events(api, path)
    assert [type_ for type_, _ in events] == ["JobCreated", "OccurrencesSkipped", "JobDeleted"]
    assert events[1][1]["reason"] == "deleted"
    for method, sub, body in (("PUT", "", {"name": "x"}), ("PATCH", "", {"name": "x"}), ("POST", "/trigger", {})):
        assert (await api.json(409, method, path + sub, body))["code"] == "job_deleted"
    assert await api.pages("/api/job", 10) == []
    assert len(await api.pages("/api/job?status=deleted", 10)) == 1


async def test_trigger_runs_now_even_while_paused_and_once_for_a_key(api: Api) -> None:
    job = await api.create(payload="own")
    path = f"/api/job/{job['id']}"
    await api.json(200, "POST", f"{path}/pause")
    run = await api.json(202, "POST", f"{path}/trigger", {"payload": None}, idempotency_key="k")
    assert (run["status"], run["trigger"], run["max_attempts"], run["attempt"]) == ("dispatched", "manual", 4, 0)
    assert await api.json(202, "POST", f"{path}/trigger", {"payload": None}, idempotency_key="k") == run
    problem = await api.json(422, "POST", f"{path}/trigger", {}, idempotency_key="k")
    assert problem["code"] == "idempotency_key_reused"
    skipped = await api.json(202, "POST", f"{path}/trigger", {"overlap": "skip"})
    assert (skipped["status"], skipped["reason"]) == ("skipped", "overlap")
    plain = await api.json(202, "POST", f"{path}/trigger")
    for triggered, own_payload in ((run, True), (plain, False)):
        [(_, data)] = await _events(api, f"/api/run/{triggered['id']}")
        assert (data["own_payload"], data["payload"]) == (own_payload, None)


async def test_equal_triggers_at_once_make_one_run(api: Api) -> None:
    job = await api.create()
    path = f"/api/job/{job['id']}"
    runs = await asyncio.gather(*(api.json(202, "POST", f"{path}/trigger", idempotency_key="k") for _ in range(10)))
    assert len({run["id"] for run in runs}) == 1
    assert len(await api.pages(f"{path}/runs", 10)) == 1


async def test_a_timeout_beyond_the_ceiling_is_refused_wherever_it_is_given(api: Api) -> None:
    job = await api.create()
    for method, path, body in (
        ("POST", "/api/job", {"name": "x", "timeout": "P300D"}),
        ("PUT", f"/api/job/{job['id']}", {"name": "x", "timeout": "P1DT1S"}),
        ("PUT", f"/api/job/{uuid4()}", {"name": "x", "timeout": "P1DT1S"}),
        ("PATCH", f"/api/job/{job['id']}", {"timeout": "P2D"}),
        ("POST", "/api/job/batch", {"jobs": [{"name": "x"}, {"name": "x", "timeout": "P2D"}]}),
    ):
        (fault,) = (await api.json(422, method, path, body))["errors"]
        assert fault["pointer"].endswith("/timeout")
        assert "at most P1D" in fault["detail"]
        assert "DUEBOOK_MAX_TIMEOUT" in fault["detail"]
    assert (await api.create(timeout="P1D"))["timeout"] == "P1D"
