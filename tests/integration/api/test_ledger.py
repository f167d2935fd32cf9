"""A job's ledger and its backfill over HTTP with a real database. The tests dispatch as a scheduler does."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.job.commands import DecisionContext, Dispatch
from duebook_common.domain.run.commands import StartAttempt, Succeed
from duebook_common.integrity.verify import verify
from duebook_common.store.job_handling import handle_job
from support.api_app import FUTURE, Api
from support.bookkeeping import ACTOR, check_invariants

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVERY_DAY = {"every": "P1D"}


def ago(api: Api, time: timedelta) -> str:
    return (api.deps.clock.now() - time).isoformat()


async def dispatch(api: Api, job: Any) -> None:
    """Decide the due occurrences of the job, as a scheduler does."""
    now = api.deps.clock.now()
    context = DecisionContext(now=now, misfire=MINUTE, look_again_after=MINUTE, dispatch=1)
    await handle_job(api.deps.pool, UUID(job["id"]), Dispatch(context), ACTOR)


async def ledger(api: Api, job: Any, **query: Any) -> Any:
    answer = await api.http.get(f"/api/job/{job['id']}/ledger", params=query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["expected"] == body["recorded"] + body["due"] + body["unaccounted"]
    return body


async def refused(api: Api, job: Any, **query: Any) -> Any:
    answer = await api.http.get(f"/api/job/{job['id']}/ledger", params=query)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    return error


def outcomes(body: Any) -> list[tuple[str, str | None]]:
    return [(item["outcome"], item["reason"]) for item in body["items"]]


def sums(body: Any) -> tuple[int, int, int, int]:
    return body["expected"], body["recorded"], body["due"], body["unaccounted"]


async def check_integrity(api: Api) -> None:
    """The read models agree with the log, and the log with its invariants."""
    assert (await verify(api.deps.pool, DAY * 1000)).breaches == []
    await check_invariants(api.deps.pool)


async def succeed(api: Api, run: Any) -> None:
    now = api.deps.clock.now()
    await api.execute(run["id"], StartAttempt(run.get("dispatch", 1), "executor-1", MINUTE, now))
    await api.execute(run["id"], Succeed(1, None, now))


# The ledger


async def test_a_time_is_due_until_a_scheduler_dispatches_it(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY, scheduled_at=ago(api, 2 * DAY + HOUR))
    entries = await ledger(api, job)
    assert outcomes(entries) == [("due", None)] * 3
    assert sums(entries) == (3, 0, 3, 0)
    await dispatch(api, job)
    entries = await ledger(api, job)
    assert outcomes(entries) == [("skipped", "missed"), ("skipped", "missed"), ("dispatched", None)]
    (run,) = (await api.json(200, "GET", f"/api/job/{job['id']}/runs"))["items"]
    assert [item["run_id"] for item in entries["items"]] == [None, None, run["id"]]
    assert entries["items"][2]["nominal_at"] == run["nominal_at"]
    await succeed(api, run)
    assert outcomes(await ledger(api, job))[2] == ("succeeded", None)
    await check_integrity(api)


async def test_a_run_that_is_missing_from_its_table_is_unaccounted(api: Api) -> None:
    """What was expected comes from the job's history, not from the rows that the ledger is to verify."""
    job = await api.create(recurrence=EVERY_DAY, scheduled_at=ago(api, 2 * DAY + HOUR))
    await dispatch(api, job)
    await api.deps.pool.execute("DELETE FROM runs")
    entries = await ledger(api, job)
    assert sums(entries) == (3, 2, 0, 1)
    assert entries["items"][2] | {"nominal_at": ""} == {
        "nominal_at": "", "outcome": "unaccounted", "run_id": None, "reason": None,
    }  # fmt: skip


async def test_the_whole_history_is_accounted_for_until_the_deletion(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY, scheduled_at=ago(api, HOUR), overlap="allow_all")
    path = f"/api/job/{job['id']}"
    await dispatch(api, job)
    for status, method, command, body in (
        (200, "PATCH", "", {"recurrence": {"every": "PT12H"}}),
        (200, "POST", "/pause", {"reason": "holidays"}),
        (200, "POST", "/resume", {}),
        (200, "PATCH", "", {"payload": {"v": 2}}),
        (204, "DELETE", "", None),
    ):
        api.pass_time(DAY)
        await api.json(status, method, path + command, body)
    api.pass_time(DAY)
    entries = await ledger(api, job)
    reasons = [item["reason"] for item in entries["items"] if item["outcome"] == "skipped"]
    assert sums(entries) == (10, 10, 0, 0)
    assert reasons == ["missed", "paused", "paused", "missed", "deleted", "deleted"]
    await check_integrity(api)


async def test_an_occurrence_during_a_pause_counts_as_skipped_at_once(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY)
    await api.json(200, "PATCH", f"/api/job/{job['id']}", {"scheduled_at": ago(api, HOUR)})
    await api.json(200, "POST", f"/api/job/{job['id']}/pause")
    api.pass_time(2 * DAY)
    entries = await ledger(api, job)
    assert outcomes(entries) == [("skipped", "paused")] * 2
    assert sums(entries) == (2, 2, 0, 0)


async def test_pages_follow_the_nominal_times_and_totals_are_of_the_whole_range(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT1H"}, scheduled_at=ago(api, DAY))
    whole = await ledger(api, job)
    assert whole["expected"] == 25
    assert await api.pages(f"/api/job/{job['id']}/ledger", 7) == whole["items"]
    first = await ledger(api, job, limit=7)
    last = await ledger(api, job, limit=7, cursor=first["next_cursor"])
    assert sums(first) == sums(last) == sums(whole)
    assert first["next_cursor"] is not None
    assert whole["next_cursor"] is None


async def test_a_range_includes_from_and_excludes_to(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY, scheduled_at="2026-01-01T00:00:00Z")
    entries = await ledger(api, job, **{"from": "2026-01-02T00:00:00Z", "to": "2026-01-04T00:00:00Z"})
    assert [item["nominal_at"] for item in entries["items"]] == ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]
    same = await api.http.get(f"/api/job/{job['id']}/ledger?from=2026-01-02T02:00:00+02:00&to=2026-01-04T00:00:00Z")
    assert same.json() == entries
    for nothing in ({"from": FUTURE}, {"to": "2025-12-31T00:00:00Z"}):
        assert sums(await ledger(api, job, **nothing)) == (0, 0, 0, 0)


async def test_future_times_are_not_in_the_ledger(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY, scheduled_at=ago(api, -HOUR))
    assert (await ledger(api, job, to=FUTURE))["items"] == []
    api.pass_time(2 * HOUR)
    assert outcomes(await ledger(api, job, to=FUTURE)) == [("due", None)]


async def test_a_manual_run_is_not_in_the_ledger(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY)
    await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    assert (await ledger(api, job))["items"] == []


async def test_a_range_of_too_many_times_is_refused_with_a_valid_end(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT1S"}, scheduled_at="2026-01-01T00:00:00Z")
    error = await refused(api, job)
    assert error["pointer"] == "/to"
    assert error["detail"].endswith("ask for a shorter range, such as one up to 2026-01-01T05:33:20Z")
    assert (await ledger(api, job, to="2026-01-01T05:33:20Z"))["expected"] == 20_000


@pytest.mark.parametrize(
    ("query", "pointer", "message"),
    [
        ({"from": "2026-01-01T00:00:00"}, "/from", "with an offset"),
        ({"to": "tomorrow"}, "/to", "RFC 3339"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "/from", "later than `to`"),
        ({"limit": 0}, "/limit", "greater than or equal to 1"),
        ({"cursor": "x"}, "/cursor", "not a cursor"),
        ({"until": FUTURE}, "/until", "no such parameter"),
    ],
)
async def test_an_invalid_query_is_refused_with_its_pointer(
    api: Api, query: dict[str, Any], pointer: str, message: str
) -> None:
    error = await refused(api, await api.create(), **query)
    assert error["pointer"] == pointer
    assert message in error["detail"]


async def test_an_unknown_job_has_no_ledger_and_no_backfill(api: Api) -> None:
    path = f"/api/job/{uuid4()}"
    await api.json(404, "GET", f"{path}/ledger")
    await api.json(404, "POST", f"{path}/backfill", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"})


# Backfill


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
