"""The overlap policies, and occurrences that cannot start in time."""

from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Platform, eventually
from support.histories import events, executor_of, from_now, types, when
from support.silence import SHARED_CORES

pytestmark = pytest.mark.xdist_group("overlap")


def test_by_all_the_occurrence_on_time_joins_the_backlog_and_runs(duebook: Platform) -> None:
    """An hourly job with three missed occurrences, and one of half a minute ago that is on time."""
    job = duebook.create(
        task="nap",
        payload={"seconds": 0.5},
        recurrence={"every": "PT1H"},
        scheduled_at=from_now(hours=-3, seconds=-30),
        catch_up={"policy": "all"},
        overlap="terminate_other",
    )
    eventually(lambda: [run["status"] for run in duebook.runs(job["id"])] == ["succeeded"] * 4)
    runs = sorted(duebook.runs(job["id"]), key=lambda run: when(run["nominal_at"]))
    assert [run["trigger"] for run in runs] == ["catch_up"] * 3 + ["schedule"]
    assert all(when(earlier["finished_at"]) <= when(later["started_at"]) for earlier, later in pairwise(runs))
    because = " ".join(cause["says"] for cause in duebook.get(f"/api/run/{runs[-1]['id']}/why")["because"])
    assert "missed occurrences of the job were being caught up, which leaves no other occurrence out" in because
    assert "terminate_other" not in because


def trigger(duebook: Platform, job: dict[str, str], overlap: str, **more: Any) -> dict[str, str]:
    path, body = f"/api/job/{job['id']}/trigger", {"overlap": overlap, **more}
    run: dict[str, str] = duebook.api.post(path, json=body).raise_for_status().json()
    return run


def ended(duebook: Platform, *runs: dict[str, str]) -> list[dict[str, str]]:
    """Wait until all these runs have ended; returns them."""

    def probe() -> list[dict[str, str]] | None:
        found = [duebook.get(f"/api/run/{run['id']}") for run in runs]
        return found if all(run["finished_at"] and run["status"] != "retrying" for run in found) else None

    return eventually(probe)


def test_buffer_one_lets_one_run_wait_and_skips_the_next(duebook: Platform, gate: Path) -> None:
    job = duebook.create(task="nap", payload={"gate": str(gate)})
    first = duebook.await_run(job["id"], "running")
    waiting = trigger(duebook, job, "buffer_one", payload={"seconds": 0})
    skipped = trigger(duebook, job, "buffer_one")
    assert (waiting["status"], waiting["reason"]) == ("waiting", "overlap")
    assert (skipped["status"], skipped["reason"]) == ("skipped", "overlap")
    gate.touch()
    before, after = ended(duebook, first, waiting)
    assert (before["status"], after["status"]) == ("succeeded", "succeeded")
    assert 0 <= (when(after["started_at"]) - when(before["finished_at"])).total_seconds() < 1.5 * SHARED_CORES, (
        "the end of the first run woke it"
    )
    assert types(duebook, waiting["id"])[:2] == ["RunBuffered", "RunRequeued"]
    assert "reason" not in after


def test_a_waiting_run_starts_after_a_dead_letter_or_a_cancel(duebook: Platform) -> None:
    job = duebook.create(task="nap", payload={"seconds": 30}, max_retries=0, timeout="PT6S")
    first = duebook.await_run(job["id"], "running")
    second, third = trigger(duebook, job, "buffer_all"), trigger(duebook, job, "buffer_all")
    assert ended(duebook, first)[0]["status"] == "dead_lettered"
    eventually(lambda: duebook.get(f"/api/run/{second['id']}")["status"] == "running")
    duebook.api.post(f"/api/run/{second['id']}/cancel").raise_for_status()
    eventually(lambda: duebook.get(f"/api/run/{third['id']}")["status"] == "running")


def test_cancel_other_stops_the_active_run_before_the_next_starts(duebook: Platform) -> None:
    job = duebook.create(task="nap", payload={"seconds": 20})
    first = duebook.await_run(job["id"], "running")
    second = trigger(duebook, job, "cancel_other")
    assert second["status"] == "waiting"
    (stopped,) = ended(duebook, first)
    assert stopped["status"] == "cancelled"
    assert "made way" in stopped["reason"]
    running = eventually(lambda: _with_status(duebook.get(f"/api/run/{second['id']}"), "running"))
    assert when(running["started_at"]) >= when(stopped["finished_at"])


def test_terminate_other_refuses_the_old_outcome_and_starts_at_once(duebook: Platform, gate: Path) -> None:
    job = duebook.create(task="stubborn", payload={"gate": str(gate)})
    first = duebook.await_run(job["id"], "running")
    second = trigger(duebook, job, "terminate_other", payload={"seconds": 6})
    gate.touch()
    assert second["status"] in {"dispatched", "running"}
    assert duebook.get(f"/api/run/{first['id']}")["status"] == "cancelled"
    eventually(lambda: _with_status(duebook.get(f"/api/run/{second['id']}"), "succeeded"))
    assert types(duebook, first["id"])[-1] == "RunCancelled", "no event follows the end"


def _with_status(run: dict[str, str], status: str) -> dict[str, str] | None:
    return run if run["status"] == status else None


def test_each_policy_holds_for_runs_longer_than_their_interval(duebook: Platform) -> None:
    """A run of 2.2 s is due every second: except with allow_all, no two runs overlap."""
    policies = ["skip", "buffer_one", "buffer_all", "cancel_other"]
    definition = {"task": "nap", "payload": {"seconds": 2.2}, "recurrence": {"every": "PT1S"}, "max_runs": 5}
    jobs = {policy: duebook.create(**definition, overlap=policy) for policy in policies}
    for policy, job in jobs.items():
        eventually(partial(_all_ended, duebook, job), 60)
        attempts = sorted(_attempts(duebook, job))
        assert all(later[0] >= earlier[1] for earlier, later in pairwise(attempts)), policy
        assert duebook.get(f"/api/job/{job['id']}")["status"] == "finished"
        not_skipped = [run for run in duebook.runs(job["id"]) if run["status"] != "skipped"]
        assert len(not_skipped) == 5, policy


def _all_ended(duebook: Platform, job: dict[str, str]) -> bool:
    finished = duebook.get(f"/api/job/{job['id']}")["status"] == "finished"
    return finished and {r["status"] for r in duebook.runs(job["id"])} <= {"succeeded", "skipped", "cancelled"}


def _attempts(duebook: Platform, job: dict[str, str]) -> list[tuple[datetime, datetime]]:
    """Start and end of each attempt of a job's runs, by the recorded events."""
    spans = []
    for run in duebook.runs(job["id"]):
        history = events(duebook, run["id"])
        started = [when(event["recorded_at"]) for event in history if event["type"] == "AttemptStarted"]
        spans += [(start, when(history[-1]["recorded_at"])) for start in started]
    return spans


def test_a_run_that_cannot_start_in_time_is_skipped(duebook: Platform) -> None:
    late = duebook.create(scheduled_at=from_now(seconds=-30), start_within="PT5S")
    queued = duebook.create(queue="too.late", start_within="PT1S")
    for job in (late, queued):
        run = duebook.await_run(job["id"], "skipped")
        assert (run["reason"], run["attempt"]) == ("deadline", 0)
    with executor_of(duebook, "too.late"):
        later = duebook.create(queue="too.late", start_within="PT1H")
        duebook.await_run(later["id"], "succeeded")
    assert "AttemptStarted" not in types(duebook, duebook.runs(queued["id"])[0]["id"])
    assert [r["status"] for r in duebook.runs(queued["id"])] == ["skipped"]
