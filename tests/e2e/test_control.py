"""Jobs can be paused, resumed, triggered and deleted in every state, and runs cancelled."""

from pathlib import Path
from typing import Any

import pytest

from support.fleet import Platform, eventually
from support.histories import events, executor_of, from_now, job_events, recorded, types
from support.silence import SHARED_CORES

pytestmark = pytest.mark.xdist_group("control")

_LONG_BACKOFF = {"initial": "PT1H", "factor": 1, "max": "PT1H", "jitter": 0}


def post(duebook: Platform, path: str, status: int, **body: Any) -> dict[str, Any]:
    answer = duebook.api.post(path, json=body)
    assert answer.status_code == status, answer.text
    resource: dict[str, Any] = answer.json()
    return resource


def test_a_hold_keeps_retries_and_sent_messages_until_the_resume(duebook: Platform) -> None:
    """They are sent later than a run of another job that was due after them, and nothing is charged meanwhile."""
    backoff = {"initial": "PT1S", "factor": 1, "max": "PT1S", "jitter": 0}
    job = duebook.create(task="fail", backoff=backoff, max_retries=30)
    queued = duebook.create(queue="held")
    runs = {
        each["id"]: duebook.await_run(each["id"], status) for each, status in ((job, "retrying"), (queued, "waiting"))
    }
    for each in (job, queued):
        paused = post(duebook, f"/api/job/{each['id']}/pause", 200, reason="stop the bleeding", hold=True)
        assert (paused["status"], paused["held"]) == ("paused", True)
        duebook.await_run(each["id"], "waiting")
    [before] = duebook.runs(job["id"])
    with executor_of(duebook, "held"):
        for other in (duebook.create(queue="held"), duebook.create(scheduled_at=from_now(seconds=2.5))):
            duebook.await_run(other["id"], "succeeded")
        assert [run["status"] for each in (job, queued) for run in duebook.runs(each["id"])] == ["waiting", "waiting"]
        assert duebook.runs(job["id"]) == [before]
        assert "AttemptStarted" not in types(duebook, runs[queued["id"]]["id"])
        for each in (job, queued):
            post(duebook, f"/api/job/{each['id']}/resume", 200)
        duebook.await_run(queued["id"], "succeeded")
    eventually(lambda: duebook.runs(job["id"])[0]["failures"] > before["failures"])
    post(duebook, f"/api/run/{before['id']}/cancel", 202)


def test_a_deleted_job_starts_nothing_and_keeps_its_history(duebook: Platform, gate: Path) -> None:
    running = duebook.create(task="nap", payload={"gate": str(gate)}, recurrence="daily")
    retrying = duebook.create(task="fail", backoff=_LONG_BACKOFF, recurrence="daily")
    queued = duebook.create(queue="deleted", recurrence="daily")
    for job, status in ((running, "running"), (retrying, "retrying"), (queued, "waiting")):
        duebook.await_run(job["id"], status)
        assert duebook.api.delete(f"/api/job/{job['id']}").status_code == 204
    gate.touch()
    outcomes = {running["id"]: "succeeded", retrying["id"]: "cancelled", queued["id"]: "cancelled"}
    with executor_of(duebook, "deleted"):
        later = duebook.create(queue="deleted")
        duebook.await_run(later["id"], "succeeded")  # so every earlier message of the queue was handled
    for job_id, status in outcomes.items():
        run = duebook.await_run(job_id, status)
        assert len(duebook.runs(job_id)) == 1
        job = duebook.get(f"/api/job/{job_id}")
        assert (job["status"], job["next_due_at"]) == ("deleted", None)
        assert types(duebook, run["id"])[0] == ("RunBuffered" if job_id == queued["id"] else "RunDispatched")
    (cancelled,) = duebook.runs(queued["id"])
    assert "AttemptStarted" not in types(duebook, cancelled["id"])


def test_a_running_attempt_is_cancelled_within_seconds(duebook: Platform) -> None:
    job = duebook.create(task="nap", payload={"seconds": 600})
    run = duebook.await_run(job["id"], "running")
    post(duebook, f"/api/run/{run['id']}/cancel", 202, reason="wrong customer")
    cancelled = duebook.await_run(job["id"], "cancelled")
    assert (cancelled["reason"], cancelled["attempt"]) == ("wrong customer", 1)
    history = events(duebook, run["id"])
    assert [e["type"] for e in history][-2:] == ["RunCancelRequested", "RunCancelled"]
    (requested,), (cancelled_at,) = recorded(history, "RunCancelRequested"), recorded(history, "RunCancelled")
    assert (cancelled_at - requested).total_seconds() < 3 * SHARED_CORES  # 1.5 s on an idle machine


def test_a_task_that_ignores_its_cancellation_is_abandoned(duebook: Platform) -> None:
    job = duebook.create(task="stubborn", payload={"seconds": 60})
    run = duebook.await_run(job["id"], "running")
    post(duebook, f"/api/run/{run['id']}/cancel", 202)
    history = eventually(lambda: (e := events(duebook, run["id"]))[-1]["type"] == "RunCancelled" and e)
    (requested,), (cancelled_at,) = recorded(history, "RunCancelRequested"), recorded(history, "RunCancelled")
    assert (cancelled_at - requested).total_seconds() < 5 * SHARED_CORES
    duebook.await_run(duebook.create(task="nap", payload={"seconds": 0})["id"], "succeeded")


def test_runs_that_are_not_running_are_cancelled_at_once(duebook: Platform) -> None:
    retrying = duebook.create(task="fail", backoff=_LONG_BACKOFF)
    queued = duebook.create(queue="cancelled")
    for job, status in ((retrying, "retrying"), (queued, "waiting")):
        run = duebook.await_run(job["id"], status)
        assert post(duebook, f"/api/run/{run['id']}/cancel", 202)["status"] == "cancelled"
    with executor_of(duebook, "cancelled"):
        later = duebook.create(queue="cancelled")
        done = duebook.await_run(later["id"], "succeeded")
    assert types(duebook, duebook.runs(queued["id"])[0]["id"]) == ["RunBuffered", "RunCancelled"]
    assert types(duebook, duebook.runs(retrying["id"])[0]["id"]).count("AttemptStarted") == 1
    assert duebook.api.post(f"/api/run/{done['id']}/cancel").status_code == 409


def test_a_dead_letter_pauses_its_job_with_the_reason(duebook: Platform) -> None:
    definition = {"recurrence": {"every": "PT1S"}, "max_retries": 0, "pause_on_failure": True}
    job = duebook.create(task="fail", **definition)
    run = duebook.await_run(job["id"], "dead_lettered")
    paused = eventually(lambda: _paused(duebook, job["id"]))
    assert run["id"] in paused["reason"]
    dead, *others = [r for r in duebook.runs(job["id"]) if r["status"] == "dead_lettered"]
    assert (dead["id"], others) == (run["id"], [])
    (pause,) = [event for event in job_events(duebook, job["id"]) if event["type"] == "JobPaused"]
    dead_lettered = events(duebook, run["id"])[-1]
    assert dead_lettered["type"] == "RunDeadLettered"
    assert pause["recorded_at"] >= dead_lettered["recorded_at"]
    duebook.api.post(f"/api/job/{job['id']}/resume").raise_for_status()
    eventually(lambda: len([r for r in duebook.runs(job["id"]) if r["status"] == "dead_lettered"]) == 2)
    duebook.api.delete(f"/api/job/{job['id']}").raise_for_status()


def _paused(duebook: Platform, job_id: str) -> dict[str, Any] | None:
    job: dict[str, Any] = duebook.get(f"/api/job/{job_id}")
    return job if job["status"] == "paused" else None
