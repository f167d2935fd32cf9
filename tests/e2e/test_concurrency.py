"""A concurrency key limits how many runs are active at once, also across jobs."""

from datetime import datetime
from typing import Any

import pytest

from support.fleet import Platform, eventually
from support.histories import events, types, when

pytestmark = pytest.mark.xdist_group("concurrency")


def test_a_key_limits_the_runs_of_different_jobs(duebook: Platform) -> None:
    key = {"key": "tenant-7", "limit": 2}
    jobs = [duebook.create(task="nap", payload={"seconds": 0.4}, concurrency=key) for _ in range(8)]
    runs = [duebook.await_run(job["id"], "succeeded", 60) for job in jobs]
    assert _most_active(duebook, runs) == 2
    first = [run["id"] for run in sorted(runs, key=lambda run: when(run["started_at"]))]
    assert {types(duebook, id_)[0] for id_ in first} == {"RunBuffered"}


def test_other_keys_and_jobs_without_a_key_do_not_wait(duebook: Platform) -> None:
    held = duebook.create(task="nap", payload={"seconds": 600}, concurrency={"key": "held", "limit": 1})
    holder = duebook.await_run(held["id"], "running")
    blocked = duebook.create(task="nap", concurrency={"key": "held", "limit": 1})
    waiting = duebook.await_run(blocked["id"], "waiting")
    assert waiting["reason"] == "concurrency"
    duebook.await_run(duebook.create(task="nap", concurrency={"key": "free", "limit": 1})["id"], "succeeded")
    duebook.await_run(duebook.create(task="nap")["id"], "succeeded")
    duebook.api.post(f"/api/run/{holder['id']}/cancel").raise_for_status()
    duebook.await_run(blocked["id"], "succeeded")


def test_a_slot_is_held_through_retries_and_the_oldest_run_is_next(duebook: Platform) -> None:
    key = {"key": "retried", "limit": 1}
    backoff = {"initial": "PT1S", "factor": 1, "jitter": 0}
    first = duebook.create(task="fail.until", payload={"attempt": 3}, concurrency=key, backoff=backoff)
    [run] = eventually(lambda: duebook.runs(first["id"]) or None)
    eventually(lambda: "AttemptFailed" in types(duebook, run["id"]))
    others = [duebook.create(task="nap", payload={"seconds": 0.1}, concurrency=key) for _ in range(3)]
    runs = [duebook.await_run(job["id"], "succeeded") for job in others]
    ended = duebook.await_run(first["id"], "succeeded")
    assert ended["attempt"] == 3
    assert all(when(run["started_at"]) >= when(ended["finished_at"]) for run in runs)
    # Jobs that are due at once may be decided in another order than they were created in.
    decided = sorted(runs, key=lambda run: when(events(duebook, run["id"])[0]["data"]["at"]))
    started = sorted(runs, key=lambda run: when(run["started_at"]))
    assert [run["id"] for run in started] == [run["id"] for run in decided]


def test_a_redriven_run_waits_for_its_key(duebook: Platform) -> None:
    key = {"key": "redriven", "limit": 1}
    dead = duebook.await_run(duebook.create(task="fail", max_retries=0, concurrency=key)["id"], "dead_lettered")
    holder = duebook.await_run(duebook.create(task="nap", payload={"seconds": 600}, concurrency=key)["id"], "running")
    path = f"/api/dead-letter/{dead['id']}/redrive"
    redriven = duebook.api.post(path, json={"reason": "again"}).raise_for_status().json()
    assert redriven["status"] == "waiting"
    duebook.api.post(f"/api/run/{holder['id']}/cancel").raise_for_status()
    eventually(lambda: types(duebook, dead["id"]).count("AttemptStarted") == 2)


def _most_active(duebook: Platform, runs: list[dict[str, Any]]) -> int:
    """The largest number of attempts that were running at the same time, by the recorded events."""
    steps: list[tuple[datetime, int]] = []
    for run in runs:
        for event in events(duebook, run["id"]):
            if event["type"] == "AttemptStarted":
                steps.append((when(event["recorded_at"]), 1))
            elif event["type"] in {"AttemptSucceeded", "AttemptFailed"}:
                steps.append((when(event["recorded_at"]), -1))
    active = most = 0
    for _, step in sorted(steps):
        active += step
        most = max(most, active)
    return most
