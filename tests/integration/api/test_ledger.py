"""A job's ledger over HTTP with a real database. The tests dispatch as a scheduler does."""

from typing import Any
from uuid import uuid4

import pytest

from support.api_app import FUTURE, Api
from support.ledgers import EVERY_DAY, ago, check_integrity, dispatch, ledger, outcomes, refused, succeed, sums
from support.samples import DAY, HOUR


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
