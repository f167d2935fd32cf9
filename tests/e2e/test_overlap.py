"""What happens to an occurrence that falls due while a run of its job is active, or that comes too late."""

from datetime import datetime
from functools import partial
from itertools import pairwise

import pytest

from support.fleet import Platform, eventually
from support.histories import events, executor_of, from_now, types, when

pytestmark = pytest.mark.xdist_group("overlap")


@pytest.mark.parametrize(("overlap", "second"), [("skip", "skipped"), ("allow_all", "succeeded")])
def test_an_occurrence_beside_a_running_one(duebook: Platform, overlap: str, second: str) -> None:
    job = duebook.create(
        task="nap",
        payload={"seconds": 4},
        recurrence="daily",
        scheduled_at=from_now(days=-1, seconds=2),
        overlap=overlap,
        catch_up={"policy": "latest", "window": "P365D"},
    )
    eventually(lambda: {r["status"] for r in duebook.runs(job["id"])} == {"succeeded", second} and _two(duebook, job))
    later, earlier = duebook.runs(job["id"])
    assert (earlier["trigger"], earlier["status"]) == ("catch_up", "succeeded")
    assert later["status"] == second
    if overlap == "skip":
        assert later["reason"] == "overlap"
    else:
        assert when(later["started_at"]) < when(earlier["finished_at"]), "they ran side by side"


def _two(duebook: Platform, job: dict[str, str]) -> bool:
    return len(duebook.runs(job["id"])) == 2


def test_a_trigger_runs_beside_a_running_one_unless_asked_otherwise(duebook: Platform) -> None:
    job = duebook.create(task="nap", payload={"seconds": 2})
    duebook.await_run(job["id"], "running")
    skipped = duebook.api.post(f"/api/job/{job['id']}/trigger", json={"overlap": "skip"}).raise_for_status().json()
    assert (skipped["status"], skipped["reason"]) == ("skipped", "overlap")
    beside = duebook.api.post(f"/api/job/{job['id']}/trigger").raise_for_status().json()
    eventually(lambda: [r["status"] for r in duebook.runs(job["id"])] == ["succeeded", "skipped", "succeeded"])
    assert duebook.runs(job["id"])[0]["id"] == beside["id"]


def trigger(duebook: Platform, job: dict[str, str], overlap: str) -> dict[str, str]:
    path, body = f"/api/job/{job['id']}/trigger", {"overlap": overlap}
    run: dict[str, str] = duebook.api.post(path, json=body).raise_for_status().json()
    return run


def ended(duebook: Platform, *runs: dict[str, str]) -> list[dict[str, str]]:
    """The runs once all have ended."""

    def look() -> list[dict[str, str]] | None:
        found = [duebook.get(f"/api/run/{run['id']}") for run in runs]
        return found if all(each["finished_at"] and each["status"] != "retrying" for each in found) else None

    return eventually(look)


def test_one_waits_for_the_running_one_and_no_second(duebook: Platform) -> None:
    job = duebook.create(task="nap", payload={"seconds": 1.5})
    first = duebook.await_run(job["id"], "running")
    waits, left_out = trigger(duebook, job, "buffer_one"), trigger(duebook, job, "buffer_one")
    assert (waits["status"], waits["reason"]) == ("waiting", "overlap")
    assert (left_out["status"], left_out["reason"]) == ("skipped", "overlap")
    before, after = ended(duebook, first, waits)
    assert (before["status"], after["status"]) == ("succeeded", "succeeded")
    assert 0 <= (when(after["started_at"]) - when(before["finished_at"])).total_seconds() < 1.5, "it was woken"
    assert types(duebook, waits["id"])[:2] == ["RunBuffered", "RunRequeued"]
    assert "reason" not in after


def test_all_that_wait_run_one_after_the_other_in_order(duebook: Platform) -> None:
    job = duebook.create(task="nap", payload={"seconds": 0.3})
    duebook.await_run(job["id"], "running")
    runs = ended(duebook, *(trigger(duebook, job, "buffer_all") for _ in range(4)))
    assert [run["status"] for run in runs] == ["succeeded"] * 4
    for earlier, later in pairwise(runs):
        assert when(later["started_at"]) >= when(earlier["finished_at"])


def test_what_waits_starts_also_after_a_dead_letter_and_after_a_cancel(duebook: Platform) -> None:
    job = duebook.create(task="nap", payload={"seconds": 30}, max_retries=0, timeout="PT1S")
    first = duebook.await_run(job["id"], "running")
    second, third = trigger(duebook, job, "buffer_all"), trigger(duebook, job, "buffer_all")
    assert ended(duebook, first)[0]["status"] == "dead_lettered"
    eventually(lambda: duebook.get(f"/api/run/{second['id']}")["status"] == "running")
    duebook.api.post(f"/api/run/{second['id']}/cancel").raise_for_status()
    eventually(lambda: duebook.get(f"/api/run/{third['id']}")["status"] == "running")


def test_the_running_one_is_asked_to_stop_and_the_new_one_starts_when_it_has(duebook: Platform) -> None:
    job = duebook.create(task="nap", payload={"seconds": 20})
    first = duebook.await_run(job["id"], "running")
    second = trigger(duebook, job, "cancel_other")
    assert second["status"] == "waiting"
    (stopped,) = ended(duebook, first)
    assert stopped["status"] == "cancelled"
    assert "made way" in stopped["reason"]
    running = eventually(lambda: _if(duebook.get(f"/api/run/{second['id']}"), "running"), 5)
    assert when(running["started_at"]) >= when(stopped["finished_at"])


def test_the_terminated_ones_outcome_is_refused_and_the_new_one_starts_at_once(duebook: Platform) -> None:
    job = duebook.create(task="stubborn", payload={"seconds": 2})
    first = duebook.await_run(job["id"], "running")
    second = trigger(duebook, job, "terminate_other")
    assert second["status"] in {"dispatched", "running"}
    assert duebook.get(f"/api/run/{first['id']}")["status"] == "cancelled"
    eventually(lambda: _if(duebook.get(f"/api/run/{second['id']}"), "succeeded"), 15)
    assert types(duebook, first["id"])[-1] == "RunCancelled", "nothing came after it"


def _if(run: dict[str, str], status: str) -> dict[str, str] | None:
    return run if run["status"] == status else None


def test_a_series_that_takes_longer_than_its_interval_keeps_its_policy(duebook: Platform) -> None:
    """Every second, taking 2.2: whatever the policy, no two run side by side unless it says so."""
    policies = ["skip", "buffer_one", "buffer_all", "cancel_other"]
    series = {"task": "nap", "payload": {"seconds": 2.2}, "recurrence": {"every": "PT1S"}, "max_runs": 5}
    jobs = {policy: duebook.create(**series, overlap=policy) for policy in policies}
    for policy, job in jobs.items():
        eventually(partial(_all_ended, duebook, job), 60)
        attempts = sorted(_attempts(duebook, job))
        assert all(later[0] >= earlier[1] for earlier, later in pairwise(attempts)), policy
        assert duebook.get(f"/api/job/{job['id']}")["status"] == "finished"
        made = [run for run in duebook.runs(job["id"]) if run["status"] != "skipped"]
        assert len(made) == 5, policy


def _all_ended(duebook: Platform, job: dict[str, str]) -> bool:
    finished = duebook.get(f"/api/job/{job['id']}")["status"] == "finished"
    return finished and {r["status"] for r in duebook.runs(job["id"])} <= {"succeeded", "skipped", "cancelled"}


def _attempts(duebook: Platform, job: dict[str, str]) -> list[tuple[datetime, datetime]]:
    """From when to when each attempt of a job's runs was under way, by the books."""
    spans = []
    for run in duebook.runs(job["id"]):
        told = events(duebook, run["id"])
        started = [when(event["recorded_at"]) for event in told if event["type"] == "AttemptStarted"]
        spans += [(start, when(told[-1]["recorded_at"])) for start in started]
    return spans


def test_a_run_that_cannot_start_in_time_is_skipped_and_not_run_late(duebook: Platform) -> None:
    late = duebook.create(scheduled_at=from_now(seconds=-30), start_within="PT5S")
    unheard = duebook.create(queue="too.late", start_within="PT1S")
    for job in (late, unheard):
        run = duebook.await_run(job["id"], "skipped")
        assert (run["reason"], run["attempt"]) == ("deadline", 0)
    with executor_of(duebook, "too.late"):
        heard = duebook.create(queue="too.late", start_within="PT1H")
        duebook.await_run(heard["id"], "succeeded")
    assert "AttemptStarted" not in types(duebook, duebook.runs(unheard["id"])[0]["id"])
    assert [r["status"] for r in duebook.runs(unheard["id"])] == ["skipped"]
