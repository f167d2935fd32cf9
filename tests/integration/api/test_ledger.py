"""A job's ledger and its backfill over HTTP, on a real database; the scheduler's part is played by the tests."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.job.commands import DecisionContext, Dispatch
from duebook_common.domain.run.commands import StartAttempt, Succeed
from duebook_common.integrity.verify import verify
from duebook_common.store.job_handling import handle_job
from support.api_app import FUTURE, Api, running_api
from support.bookkeeping import ACTOR, check_books

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVERY_DAY = {"every": "P1D"}


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url) as api:
        yield api


def ago(api: Api, time: timedelta) -> str:
    return (api.deps.clock.now() - time).isoformat()


async def decide(api: Api, job: Any) -> None:
    """What the scheduler does when it comes by."""
    now = api.deps.clock.now()
    context = DecisionContext(now=now, misfire=MINUTE, redelivery_after=MINUTE, dispatch=1)
    await handle_job(api.deps.pool, UUID(job["id"]), Dispatch(context), ACTOR)


async def ledger(api: Api, job: Any, **query: Any) -> Any:
    answer = await api.http.get(f"/api/job/{job['id']}/ledger", params=query)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["expected"] == told["recorded"] + told["due"] + told["unaccounted"]
    return told


async def refused(api: Api, job: Any, **query: Any) -> Any:
    answer = await api.http.get(f"/api/job/{job['id']}/ledger", params=query)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    return error


def outcomes(told: Any) -> list[tuple[str, str | None]]:
    return [(item["outcome"], item["reason"]) for item in told["items"]]


def sums(told: Any) -> tuple[int, int, int, int]:
    return told["expected"], told["recorded"], told["due"], told["unaccounted"]


async def sound(api: Api) -> None:
    """The books agree with the log, and with themselves."""
    assert (await verify(api.deps.pool, DAY * 1000)).breaches == []
    await check_books(api.deps.pool)


async def succeed(api: Api, run: Any) -> None:
    now = api.deps.clock.now()
    await api.execute(run["id"], StartAttempt(run.get("dispatch", 1), "executor-1", MINUTE, now))
    await api.execute(run["id"], Succeed(1, None, now))


# The ledger


async def test_a_time_is_due_until_the_scheduler_has_decided_it_and_then_has_its_outcome(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY, scheduled_at=ago(api, 2 * DAY + HOUR))
    told = await ledger(api, job)
    assert outcomes(told) == [("due", None)] * 3
    assert sums(told) == (3, 0, 3, 0)
    await decide(api, job)
    told = await ledger(api, job)
    assert outcomes(told) == [("skipped", "missed"), ("skipped", "missed"), ("dispatched", None)]
    (run,) = (await api.json(200, "GET", f"/api/job/{job['id']}/runs"))["items"]
    assert [item["run_id"] for item in told["items"]] == [None, None, run["id"]]
    assert told["items"][2]["nominal_at"] == run["nominal_at"]
    await succeed(api, run)
    assert outcomes(await ledger(api, job))[2] == ("succeeded", None)
    await sound(api)


async def test_a_run_that_is_lost_from_the_books_is_unaccounted(api: Api) -> None:
    """The ledger tells what was expected from the job's history, not from the rows that it should prove."""
    job = await api.create(recurrence=EVERY_DAY, scheduled_at=ago(api, 2 * DAY + HOUR))
    await decide(api, job)
    await api.deps.pool.execute("DELETE FROM runs")
    told = await ledger(api, job)
    assert sums(told) == (3, 2, 0, 1)
    assert told["items"][2] | {"nominal_at": ""} == {
        "nominal_at": "", "outcome": "unaccounted", "run_id": None, "reason": None,
    }  # fmt: skip


async def test_the_whole_history_is_accounted_for_through_changes_pauses_and_the_end(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY, scheduled_at=ago(api, HOUR), overlap="allow_all")
    path = f"/api/job/{job['id']}"
    await decide(api, job)
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
    told = await ledger(api, job)
    reasons = [item["reason"] for item in told["items"] if item["outcome"] == "skipped"]
    assert sums(told) == (10, 10, 0, 0)
    assert reasons == ["missed", "paused", "paused", "missed", "deleted", "deleted"]
    await sound(api)


async def test_during_a_pause_what_comes_is_skipped_already(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY)
    await api.json(200, "PATCH", f"/api/job/{job['id']}", {"scheduled_at": ago(api, HOUR)})
    await api.json(200, "POST", f"/api/job/{job['id']}/pause")
    api.pass_time(2 * DAY)
    told = await ledger(api, job)
    assert outcomes(told) == [("skipped", "paused")] * 2
    assert sums(told) == (2, 2, 0, 0)


async def test_pages_follow_the_nominal_times_and_the_totals_are_of_the_whole(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT1H"}, scheduled_at=ago(api, DAY))
    whole = await ledger(api, job)
    assert whole["expected"] == 25
    assert await api.pages(f"/api/job/{job['id']}/ledger", 7) == whole["items"]
    first = await ledger(api, job, limit=7)
    last = await ledger(api, job, limit=7, cursor=first["next_cursor"])
    assert sums(first) == sums(last) == sums(whole)
    assert first["next_cursor"] is not None
    assert whole["next_cursor"] is None


async def test_a_range_begins_with_from_and_ends_before_to(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY, scheduled_at="2026-01-01T00:00:00Z")
    told = await ledger(api, job, **{"from": "2026-01-02T00:00:00Z", "to": "2026-01-04T00:00:00Z"})
    assert [item["nominal_at"] for item in told["items"]] == ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]
    same = await api.http.get(f"/api/job/{job['id']}/ledger?from=2026-01-02T02:00:00+02:00&to=2026-01-04T00:00:00Z")
    assert same.json() == told
    for nothing in ({"from": FUTURE}, {"to": "2025-12-31T00:00:00Z"}):
        assert sums(await ledger(api, job, **nothing)) == (0, 0, 0, 0)


async def test_what_has_not_come_yet_is_not_told(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY, scheduled_at=ago(api, -HOUR))
    assert (await ledger(api, job, to=FUTURE))["items"] == []
    api.pass_time(2 * HOUR)
    assert outcomes(await ledger(api, job, to=FUTURE)) == [("due", None)]


async def test_a_run_started_by_hand_is_no_occurrence(api: Api) -> None:
    job = await api.create(recurrence=EVERY_DAY)
    await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    assert (await ledger(api, job))["items"] == []


async def test_a_range_of_too_many_times_is_refused_with_one_that_is_not(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT1S"}, scheduled_at="2026-01-01T00:00:00Z")
    error = await refused(api, job)
    assert error["pointer"] == "/to"
    assert error["detail"].endswith("ask for a shorter range, such as one up to 2026-01-01T05:33:20Z")
    assert (await ledger(api, job, to="2026-01-01T05:33:20Z"))["expected"] == 20_000


@pytest.mark.parametrize(
    ("query", "pointer", "says"),
    [
        ({"from": "2026-01-01T00:00:00"}, "/from", "with an offset"),
        ({"to": "tomorrow"}, "/to", "RFC 3339"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "/from", "later than `to`"),
        ({"limit": 0}, "/limit", "greater than or equal to 1"),
        ({"cursor": "x"}, "/cursor", "not a cursor"),
        ({"until": FUTURE}, "/until", "no such field"),
    ],
)
async def test_a_wrong_question_is_refused_where_it_is_wrong(
    api: Api, query: dict[str, Any], pointer: str, says: str
) -> None:
    error = await refused(api, await api.create(), **query)
    assert error["pointer"] == pointer
    assert says in error["detail"]


async def test_what_is_not_there_has_no_ledger_and_is_not_made_up_for(api: Api) -> None:
    path = f"/api/job/{uuid4()}"
    await api.json(404, "GET", f"{path}/ledger")
    await api.json(404, "POST", f"{path}/backfill", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"})


# Backfill


async def backfill(api: Api, job: Any, start: str | None = None, end: str | None = None, **more: Any) -> list[Any]:
    body = {"from": start or job["created_at"], "to": end or ago(api, timedelta(0)), **more}
    runs: list[Any] = (await api.json(202, "POST", f"/api/job/{job['id']}/backfill", body))["items"]
    return runs


async def down(api: Api, **fields: Any) -> Any:
    """A job of every hour whose scheduler was away for five hours and a half after its creation."""
    job = await api.create(**{"recurrence": {"every": "PT1H"}, "scheduled_at": ago(api, -HOUR), **fields})
    api.pass_time(6 * HOUR - 30 * MINUTE)
    await decide(api, job)
    return job


async def test_what_was_missed_is_made_up_for_in_order_and_the_ledger_shows_it(api: Api) -> None:
    job = await down(api)
    before = await ledger(api, job)
    assert outcomes(before) == [*[("skipped", "missed")] * 4, ("dispatched", None)]
    runs = await backfill(api, job)
    assert [run["nominal_at"] for run in runs] == [item["nominal_at"] for item in before["items"][:4]]
    assert {(run["trigger"], run["status"], run["reason"]) for run in runs} == {("backfill", "waiting", "overlap")}
    after = await ledger(api, job)
    assert [item["run_id"] for item in after["items"][:4]] == [run["id"] for run in runs]
    assert outcomes(after) == [*[("waiting", "missed")] * 4, ("dispatched", None)]
    assert sums(after) == (5, 5, 0, 0)
    await sound(api)


async def test_the_same_order_again_makes_nothing_new_and_answers_the_same_runs(api: Api) -> None:
    job = await down(api)
    first = await backfill(api, job)
    events = await api.deps.pool.fetchval("SELECT count(*) FROM events")
    assert await backfill(api, job) == first
    assert await api.deps.pool.fetchval("SELECT count(*) FROM events") == events
    api.pass_time(2 * HOUR)
    await decide(api, job)
    assert [run["id"] for run in await backfill(api, job)][:4] == [run["id"] for run in first]


async def test_each_is_made_up_for_by_the_definition_in_force_at_its_time(api: Api) -> None:
    job = await down(api, payload={"v": 1}, queue="first")
    path = f"/api/job/{job['id']}"
    await api.json(200, "PATCH", path, {"payload": {"v": 2}, "queue": "second"})
    api.pass_time(3 * HOUR)
    await decide(api, job)
    await api.json(200, "PATCH", path, {"payload": {"v": 3}, "recurrence": {"every": "PT30M"}})
    api.pass_time(2 * HOUR - 10 * MINUTE)
    await decide(api, job)
    runs = await backfill(api, job, overlap="allow_all")
    assert [(run["job_version"], run["queue"]) for run in runs] == [
        *[(1, "first")] * 4, *[(2, "second")] * 3, *[(3, "second")] * 3,
    ]  # fmt: skip
    assert {run["status"] for run in runs} == {"dispatched"}
    (opened,) = (await api.json(200, "GET", f"/api/run/{runs[0]['id']}/events"))["items"]
    assert opened["data"]["definition_at"] == 1
    assert opened["meta"]["tzdata"]
    await sound(api)


async def test_a_time_that_is_due_is_left_to_the_scheduler_and_one_that_ran_is_left_alone(api: Api) -> None:
    job = await down(api)
    (ran,) = (await api.json(200, "GET", f"/api/job/{job['id']}/runs"))["items"]
    api.pass_time(2 * HOUR)
    runs = await backfill(api, job)
    assert len(runs) == 4
    assert ran["nominal_at"] not in {run["nominal_at"] for run in runs}
    assert outcomes(await ledger(api, job))[-2:] == [("due", None)] * 2


async def test_a_paused_job_and_a_finished_one_are_made_up_for_and_a_deleted_one_is_not(api: Api) -> None:
    job = await down(api, ends_at=ago(api, -6 * HOUR))
    path = f"/api/job/{job['id']}"
    assert len(await backfill(api, job, end=ago(api, 3 * HOUR))) == 2
    api.pass_time(2 * HOUR)
    await decide(api, job)
    assert (await api.json(200, "GET", path))["status"] == "finished"
    assert len(await backfill(api, job)) == 4
    await api.json(204, "DELETE", path)
    body = {"from": job["created_at"], "to": ago(api, timedelta(0))}
    told = await api.json(409, "POST", f"{path}/backfill", body)
    assert told["code"] == "job_deleted"
    paused = await down(api)
    await api.json(200, "POST", f"/api/job/{paused['id']}/pause")
    api.pass_time(2 * HOUR)
    assert len(await backfill(api, paused)) == 6
    await sound(api)


async def test_what_overlap_leaves_out_stays_left_out(api: Api) -> None:
    job = await down(api)
    runs = await backfill(api, job, overlap="skip")
    assert {(run["status"], run["reason"]) for run in runs} == {("skipped", "overlap")}
    assert await backfill(api, job) == runs


async def test_a_backfill_that_makes_way_stops_what_runs(api: Api) -> None:
    job = await down(api)
    (ran,) = (await api.json(200, "GET", f"/api/job/{job['id']}/runs"))["items"]
    runs = await backfill(api, job, end=ago(api, 4 * HOUR), overlap="terminate_other")
    assert [run["status"] for run in runs] == ["dispatched"]
    assert (await api.json(200, "GET", f"/api/run/{ran['id']}"))["status"] == "cancelled"


async def test_more_than_a_thousand_runs_are_refused_with_a_range_that_is_not(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT1S"}, scheduled_at=ago(api, -MINUTE), catch_up={"policy": "none"})
    api.pass_time(HOUR)
    for _ in range(4):
        await decide(api, job)
    body = {"from": job["created_at"], "to": ago(api, MINUTE)}
    told = await api.json(422, "POST", f"/api/job/{job['id']}/backfill", body)
    (error,) = told["errors"]
    assert error["pointer"] == "/to"
    fits = error["detail"].rpartition(" ")[2]
    assert len(await backfill(api, job, end=fits)) == 1000
    await check_books(api.deps.pool)


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({"from": "2020-01-01T00:00:00Z"}, "/from", "before the job's creation"),
        ({"to": FUTURE}, "/to", "only past times"),
        ({"to": "2020-01-01T00:00:00Z"}, "/to", "later than `from`"),
        ({"to": "2026-01-01T00:00:00"}, "/to", "with an offset"),
        ({"overlap": "both"}, "/overlap", "this version knows skip"),
        ({"force": True}, "/force", "no such field"),
    ],
)
async def test_a_wrong_order_is_refused_where_it_is_wrong(api: Api, body: Any, pointer: str, says: str) -> None:
    job = await down(api)
    whole = {"from": job["created_at"], "to": ago(api, timedelta(0))}
    told = await api.json(422, "POST", f"/api/job/{job['id']}/backfill", whole | body)
    assert told["errors"][0]["pointer"] == pointer
    assert says in told["errors"][0]["detail"]


async def test_a_range_must_be_whole(api: Api) -> None:
    job = await down(api)
    told = await api.json(422, "POST", f"/api/job/{job['id']}/backfill", {})
    assert [error["pointer"] for error in told["errors"]] == ["/from", "/to"]
