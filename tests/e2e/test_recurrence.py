"""Recurring jobs on real services: a failed run does not end them, and a long downtime is caught up in order."""

from datetime import timedelta
from itertools import pairwise

import pytest

from support.fleet import Platform, eventually
from support.histories import from_now, job_events, when

pytestmark = pytest.mark.xdist_group("recurrence")

_NOTHING_MISSED = {"policy": "latest", "window": "PT0S"}


@pytest.mark.parametrize(("recurrence", "days"), [("daily", 1), ("weekly", 7)])
def test_a_dead_letter_does_not_end_a_recurring_job(duebook: Platform, recurrence: str, days: int) -> None:
    job = duebook.create(
        task="fail",
        recurrence=recurrence,
        max_retries=0,
        scheduled_at=from_now(seconds=2, days=-3 * days),
        catch_up=_NOTHING_MISSED,
    )
    run = duebook.await_run(job["id"], "dead_lettered")
    due_at = when(job["scheduled_at"]) + timedelta(days=3 * days)
    assert (when(run["nominal_at"]), run["trigger"]) == (due_at, "schedule")
    after = duebook.get(f"/api/job/{job['id']}")
    assert (after["status"], when(after["next_due_at"])) == ("active", due_at + timedelta(days=days))
    assert len(duebook.runs(job["id"])) == 1
    skipped = [e["data"] for e in job_events(duebook, job["id"]) if e["type"] == "OccurrencesSkipped"]
    assert sum(s["count"] for s in skipped) == 3


@pytest.mark.parametrize("recurrence", [{"cron": "*/2 * * * * *"}, {"every": "PT2S"}])
def test_each_nominal_time_of_a_frequent_job_runs_once(duebook: Platform, recurrence: dict[str, str]) -> None:
    job = duebook.create(recurrence=recurrence, overlap="allow_all")
    eventually(lambda: len([r for r in duebook.runs(job["id"]) if r["status"] == "succeeded"]) >= 4)
    times = sorted(when(run["nominal_at"]) for run in duebook.runs(job["id"]))
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(seconds=2)}
    duebook.api.post(f"/api/job/{job['id']}/pause", json={}).raise_for_status()


def _succeeded(duebook: Platform, job_id: str) -> int:
    return len(duebook.get(f"/api/run?job_id={job_id}&status=succeeded&limit=200")["items"])


def test_jitter_delays_runs_and_keeps_their_nominal_times(duebook: Platform) -> None:
    definition = {"recurrence": {"every": "PT2S"}, "jitter": "PT1S", "overlap": "allow_all", "max_runs": 4}
    job = duebook.create(**definition, scheduled_at=from_now(seconds=1))
    eventually(lambda: _succeeded(duebook, job["id"]) == 4)
    runs = sorted(duebook.runs(job["id"]), key=lambda run: when(run["nominal_at"]))
    nominal = [when(run["nominal_at"]) for run in runs]
    assert nominal == [when(job["scheduled_at"]) + n * timedelta(seconds=2) for n in range(4)]
    delays = [when(run["due_at"]) - when(run["nominal_at"]) for run in runs]
    assert len(set(delays)) == 4
    assert all(timedelta(0) <= delay <= timedelta(seconds=1) for delay in delays)
    assert all(when(run["started_at"]) >= when(run["due_at"]) for run in runs)
    assert duebook.get(f"/api/job/{job['id']}")["status"] == "finished"


def test_a_long_catch_up_is_bounded_and_complete(duebook: Platform) -> None:
    """300 occurrences run one after the other, with never more than a hundred runs waiting."""
    job = duebook.create(
        recurrence={"every": "PT2S"},
        scheduled_at=from_now(minutes=-10),
        ends_at=from_now(seconds=-1),
        catch_up={"policy": "all", "window": "P1D"},
    )
    most = 0

    def done() -> bool:
        nonlocal most
        waiting = duebook.get(f"/api/run?job_id={job['id']}&status=waiting&limit=200")["items"]
        most = max(most, len(waiting))
        return str(duebook.get(f"/api/job/{job['id']}")["status"]) == "finished" and not waiting

    eventually(done, 300)
    assert 50 < most <= 100
    facts = [event["data"] for event in job_events(duebook, job["id"])]
    assert not [data for data in facts if "count" in data], "no occurrence was skipped"
    page = duebook.get(f"/api/job/{job['id']}/runs?limit=200")
    runs = page["items"]
    while page["next_cursor"]:
        page = duebook.get(f"/api/job/{job['id']}/runs?limit=200&cursor={page['next_cursor']}")
        runs += page["items"]
    assert len(runs) == len({run["nominal_at"] for run in runs}) == 300
