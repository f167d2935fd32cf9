"""The ledger after a downtime: it has every nominal time, and missed ones can be backfilled."""

from collections import Counter
from typing import Any

import pytest

from support.fleet import Platform, eventually
from support.histories import from_now

pytestmark = pytest.mark.xdist_group("ledger")

# Twice an hour in Berlin for three days; on the second the clocks go back, so that one hour comes twice.
_THREE_DAYS = {
    "recurrence": {"cron": "15,45 0-23 * * *"},
    "timezone": "Europe/Berlin",
    "dst": {"fold": "both"},
    "scheduled_at": "2025-10-25T00:00:00+02:00",
    "ends_at": "2025-10-28T00:00:00+01:00",
    "overlap": "allow_all",
}
_TIMES = 2 * (24 + 25 + 24)


def ledger_of(duebook: Platform, job: dict[str, Any]) -> Any:
    return duebook.get(f"/api/job/{job['id']}/ledger?limit=200")


@pytest.mark.parametrize(("policy", "runs"), [("latest", 1), ("all", _TIMES), ("none", 0)])
def test_after_three_days_without_a_scheduler_the_ledger_is_complete(duebook: Platform, policy: str, runs: int) -> None:
    job = duebook.create(**_THREE_DAYS, catch_up={"policy": policy, "window": "P36500D"})

    def settled() -> Any:
        ledger = ledger_of(duebook, job)
        outcomes = {(item["outcome"], item["reason"]) for item in ledger["items"]}
        return ledger if outcomes <= {("succeeded", None), ("skipped", "missed")} else None

    ledger = eventually(settled, 180)
    assert (ledger["expected"], ledger["recorded"], ledger["unaccounted"]) == (_TIMES, _TIMES, 0)
    assert Counter(item["outcome"] for item in ledger["items"])["succeeded"] == runs
    fold = [item["nominal_at"][11:16] for item in ledger["items"] if item["nominal_at"].startswith("2025-10-26T0")]
    assert fold[:4] == ["00:15", "00:45", "01:15", "01:45"]  # 02:15 and 02:45 in Berlin, twice
    assert duebook.get(f"/api/job/{job['id']}")["status"] == "finished"


def test_skipped_occurrences_are_backfilled_one_after_the_other(duebook: Platform) -> None:
    job = duebook.create(recurrence={"every": "PT1S"}, scheduled_at=from_now(seconds=8), task="log")
    duebook.api.post(f"/api/job/{job['id']}/pause").raise_for_status()
    skipped = eventually(lambda: len(items := ledger_of(duebook, job)["items"]) >= 3 and items[:3])
    assert {(item["outcome"], item["reason"]) for item in skipped} == {("skipped", "paused")}
    body = {"from": job["created_at"], "to": skipped[2]["nominal_at"], "overlap": "buffer_all"}
    backfilled = duebook.api.post(f"/api/job/{job['id']}/backfill", json=body).raise_for_status().json()["items"]
    assert [run["nominal_at"] for run in backfilled] == [item["nominal_at"] for item in skipped[:2]]

    def all_succeeded() -> Any:
        items = [item for item in ledger_of(duebook, job)["items"] if item["run_id"]]
        return items if {item["outcome"] for item in items} == {"succeeded"} else None

    assert [item["run_id"] for item in eventually(all_succeeded)] == [run["id"] for run in backfilled]
    first, second = (duebook.get(f"/api/run/{run['id']}") for run in backfilled)
    assert first["finished_at"] <= second["started_at"]
