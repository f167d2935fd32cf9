"""A job runs when it is due, and the API shows its whole history."""

import pytest

from support.fleet import Platform
from support.histories import events, from_now, job_events, job_log, recorded, types, when
from support.silence import SHARED_CORES

pytestmark = pytest.mark.xdist_group("history")


def test_four_fields_are_a_complete_job_whose_run_is_recorded(duebook: Platform) -> None:
    answer = duebook.api.post(
        "/api/job",
        json={"name": "report", "payload": {"n": 1}, "scheduled_at": from_now(seconds=1), "recurrence": "none"},
    )
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["location"] == f"/api/job/{job['id']}"
    assert job["status"] == "active"
    assert job["next_due_at"] == job["scheduled_at"]
    run = duebook.await_run(job["id"], "succeeded")
    assert (run["attempt"], run["failures"], run["trigger"], run["error"]) == (1, 0, "schedule", None)
    assert run["nominal_at"] == run["due_at"] == job["scheduled_at"]
    assert when(run["nominal_at"]) < when(run["finished_at"])
    assert when(run["started_at"]) <= when(run["finished_at"])
    assert duebook.get(f"/api/run/{run['id']}") == run | {"payload": {"n": 1}}
    assert [r["id"] for r in duebook.runs(job["id"])] == [run["id"]]
    assert types(duebook, run["id"]) == ["RunDispatched", "AttemptStarted", "AttemptSucceeded"]
    assert [event["type"] for event in job_events(duebook, job["id"])] == ["JobCreated"]
    assert [status for status, _ in job_log(duebook, job["id"])] == ["started", "log", "completed"]
    finished = duebook.get(f"/api/job/{job['id']}")
    assert (finished["status"], finished["next_due_at"]) == ("finished", None)


def test_runs_start_when_they_are_due(duebook: Platform) -> None:
    jobs = [duebook.create(name=f"due {n}", scheduled_at=from_now(seconds=0.5 + n / 10)) for n in range(10)]
    for job in jobs:
        run, due_at = duebook.await_run(job["id"], "succeeded"), when(job["scheduled_at"])
        (ended,) = recorded(events(duebook, run["id"]), "AttemptSucceeded")
        assert 0 <= (when(run["started_at"]) - due_at).total_seconds() < 5 * SHARED_CORES
        # each process knows the database clock to within some milliseconds
        assert (ended - due_at).total_seconds() > -0.05


def test_events_name_their_actor_stream_and_version(duebook: Platform) -> None:
    job = duebook.create()
    run = duebook.await_run(job["id"], "succeeded")
    history = events(duebook, run["id"])
    assert [event["version"] for event in history] == [1, 2, 3]
    assert {event["stream"] for event in history} == {f"run-{run['id']}"}
    assert [event["meta"]["actor"].split()[0] for event in history] == ["scheduler", "executor", "executor"]
    assert len({event["position"] for event in history}) == 3
