"""A job's backfill over HTTP with a real database. The tests dispatch as a scheduler does."""

from datetime import timedelta
from typing import Any

import pytest

from support.api_app import FUTURE, Api
from support.bookkeeping import check_invariants
from support.ledgers import ago, check_integrity, dispatch, ledger, outcomes, sums
from support.samples import HOUR, MINUTE


async def backfill(api: Api, job: Any, start: str | None = None, end: str | None = None, **more: Any) -> list[Any]:
    body = {"from": start or job["created_at"], "to": end or ago(api, timedelta(0)), **more}
    runs: list[Any] = (await api.json(202, "POST", f"/api/job/{job['id']}/backfill", body))["items"]
    return runs


async def after_downtime(api: Api, **fields: Any) -> Any:
    """An hourly job without a scheduler for the first five and a half hours."""
    job = await api.create(**{"recurrence": {"every": "PT1H"}, "scheduled_at": ago(api, -HOUR), **fields})
    api.pass_time(6 * HOUR - 30 * MINUTE)
    await dispatch(api, job)
    return job


async def test_missed_occurrences_are_backfilled_in_order_and_in_the_ledger(api: Api) -> None:
    job = await after_downtime(api)
    before = await ledger(api, job)
    assert outcomes(before) == [*[("skipped", "missed")] * 4, ("dispatched", None)]
    runs = await backfill(api, job)
    assert [run["nominal_at"] for run in runs] == [item["nominal_at"] for item in before["items"][:4]]
    assert {(run["trigger"], run["status"], run["reason"]) for run in runs} == {("backfill", "waiting", "overlap")}
    after = await ledger(api, job)
    assert [item["run_id"] for item in after["items"][:4]] == [run["id"] for run in runs]
    assert outcomes(after) == [*[("waiting", "missed")] * 4, ("dispatched", None)]
    assert sums(after) == (5, 5, 0, 0)
    await check_integrity(api)


async def test_a_repeated_backfill_creates_nothing_and_returns_the_same_runs(api: Api) -> None:
    job = await after_downtime(api)
    first = await backfill(api, job)
    events = await api.deps.pool.fetchval("SELECT count(*) FROM events")
    assert await backfill(api, job) == first
    assert await api.deps.pool.fetchval("SELECT count(*) FROM events") == events
    api.pass_time(2 * HOUR)
    await dispatch(api, job)
    assert [run["id"] for run in await backfill(api, job)][:4] == [run["id"] for run in first]


async def test_a_backfill_uses_the_definition_in_force_at_each_time(api: Api) -> None:
    job = await after_downtime(api, payload={"v": 1}, queue="first")
    path = f"/api/job/{job['id']}"
    await api.json(200, "PATCH", path, {"payload": {"v": 2}, "queue": "second"})
    api.pass_time(3 * HOUR)
    await dispatch(api, job)
    await api.json(200, "PATCH", path, {"payload": {"v": 3}, "recurrence": {"every": "PT30M"}})
    api.pass_time(2 * HOUR - 10 * MINUTE)
    await dispatch(api, job)
    # The newest missed one of each later downtime waits for the caught-up run of the first, which never ends here.
    waiting = [entry for entry in outcomes(await ledger(api, job)) if entry == ("waiting", "overlap")]
    assert len(waiting) == 2
    runs = await backfill(api, job, overlap="allow_all")
    assert [(run["job_version"], run["queue"]) for run in runs] == [
        *[(1, "first")] * 4, *[(2, "second")] * 2, *[(3, "second")] * 2,
    ]  # fmt: skip
    assert {run["status"] for run in runs} == {"dispatched"}
    (opened,) = (await api.json(200, "GET", f"/api/run/{runs[0]['id']}/events"))["items"]
    assert opened["data"]["definition_at"] == 1
    assert opened["meta"]["tzdata"]
    await check_integrity(api)


async def test_a_backfill_leaves_out_times_that_are_due_or_ran(api: Api) -> None:
    job = await after_downtime(api)
    (ran,) = (await api.json(200, "GET", f"/api/job/{job['id']}/runs"))["items"]
    api.pass_time(2 * HOUR)
    runs = await backfill(api, job)
    assert len(runs) == 4
    assert ran["nominal_at"] not in {run["nominal_at"] for run in runs}
    assert outcomes(await ledger(api, job))[-2:] == [("due", None)] * 2


async def test_paused_and_finished_jobs_can_be_backfilled_but_not_deleted_ones(api: Api) -> None:
    job = await after_downtime(api, ends_at=ago(api, -6 * HOUR))
    path = f"/api/job/{job['id']}"
    assert len(await backfill(api, job, end=ago(api, 3 * HOUR))) == 2
    api.pass_time(2 * HOUR)
    await dispatch(api, job)
    assert (await api.json(200, "GET", path))["status"] == "finished"
    assert len(await backfill(api, job)) == 4
    await api.json(204, "DELETE", path)
    body = {"from": job["created_at"], "to": ago(api, timedelta(0))}
    problem = await api.json(409, "POST", f"{path}/backfill", body)
    assert problem["code"] == "job_deleted"
    paused = await after_downtime(api)
    await api.json(200, "POST", f"/api/job/{paused['id']}/pause")
    api.pass_time(2 * HOUR)
    assert len(await backfill(api, paused)) == 6
    await check_integrity(api)


async def test_a_backfilled_run_skipped_by_overlap_is_not_backfilled_again(api: Api) -> None:
    job = await after_downtime(api)
    runs = await backfill(api, job, overlap="skip")
    assert {(run["status"], run["reason"]) for run in runs} == {("skipped", "overlap")}
    assert await backfill(api, job) == runs


async def test_a_backfill_with_terminate_other_cancels_the_active_run(api: Api) -> None:
    job = await after_downtime(api)
    (ran,) = (await api.json(200, "GET", f"/api/job/{job['id']}/runs"))["items"]
    runs = await backfill(api, job, end=ago(api, 4 * HOUR), overlap="terminate_other")
    assert [run["status"] for run in runs] == ["dispatched"]
    assert (await api.json(200, "GET", f"/api/run/{ran['id']}"))["status"] == "cancelled"


async def test_a_backfill_of_too_many_runs_is_refused_with_a_valid_end(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT1S"}, scheduled_at=ago(api, -MINUTE), catch_up={"policy": "none"})
    api.pass_time(HOUR)
    for _ in range(4):
        await dispatch(api, job)
    body = {"from": job["created_at"], "to": ago(api, MINUTE)}
    problem = await api.json(422, "POST", f"/api/job/{job['id']}/backfill", body)
    (error,) = problem["errors"]
    assert error["pointer"] == "/to"
    fits = error["detail"].rpartition(" ")[2]
    runs = (await api.json(200, "GET", f"/api/job/{job['id']}/runs?limit=200"))["items"]
    [active] = [run for run in runs if run["status"] != "skipped"]
    await api.json(202, "POST", f"/api/run/{active['id']}/cancel")  # else one more than a job may have active
    assert len(await backfill(api, job, end=fits)) == 1000
    await check_invariants(api.deps.pool)


@pytest.mark.parametrize(
    ("body", "pointer", "message"),
    [
        ({"from": "2020-01-01T00:00:00Z"}, "/from", "before the job's creation"),
        ({"to": FUTURE}, "/to", "only past times"),
        ({"to": "2020-01-01T00:00:00Z"}, "/to", "later than `from`"),
        ({"to": "2026-01-01T00:00:00"}, "/to", "with an offset"),
        ({"overlap": "both"}, "/overlap", "this version knows skip"),
        ({"force": True}, "/force", "no such field"),
    ],
)
async def test_an_invalid_backfill_is_refused_with_its_pointer(api: Api, body: Any, pointer: str, message: str) -> None:
    job = await after_downtime(api)
    whole = {"from": job["created_at"], "to": ago(api, timedelta(0))}
    problem = await api.json(422, "POST", f"/api/job/{job['id']}/backfill", whole | body)
    assert problem["errors"][0]["pointer"] == pointer
    assert message in problem["errors"][0]["detail"]


async def test_a_backfill_needs_both_ends_of_its_range(api: Api) -> None:
    job = await after_downtime(api)
    problem = await api.json(422, "POST", f"/api/job/{job['id']}/backfill", {})
    assert [error["pointer"] for error in problem["errors"]] == ["/from", "/to"]
