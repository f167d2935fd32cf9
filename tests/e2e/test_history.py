"""A job runs when it is due, and its whole history can be read."""

import pytest

from support.fleet import Platform
from support.histories import events, executor_of, from_now, job_events, log, types, when, written

pytestmark = pytest.mark.xdist_group("history")


def test_four_fields_are_a_complete_job_that_runs_and_is_in_the_books(duebook: Platform) -> None:
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
    assert duebook.get(f"/api/run/{run['id']}") == run
    assert [r["id"] for r in duebook.runs(job["id"])] == [run["id"]]
    assert types(duebook, run["id"]) == ["RunDispatched", "AttemptStarted", "AttemptSucceeded"]
    assert [event["type"] for event in job_events(duebook, job["id"])] == ["JobCreated", "JobFinished"]
    assert [status for status, _ in log(duebook, job["id"])] == ["started", "log", "completed"]
    finished = duebook.get(f"/api/job/{job['id']}")
    assert (finished["status"], finished["next_due_at"]) == ("finished", None)


def test_no_run_starts_before_it_is_due_nor_much_later(duebook: Platform) -> None:
    jobs = [duebook.create(name=f"due {n}", scheduled_at=from_now(seconds=0.5 + n / 10)) for n in range(10)]
    for job in jobs:
        run = duebook.await_run(job["id"], "succeeded")
        (dispatched,) = written(events(duebook, run["id"]), "RunDispatched")
        # Each process knows the database's clock to within some milliseconds.
        assert -0.05 < (dispatched - when(job["scheduled_at"])).total_seconds() < 5


def test_events_carry_who_did_it_and_name_their_stream_and_version(duebook: Platform) -> None:
    job = duebook.create()
    run = duebook.await_run(job["id"], "succeeded")
    told = events(duebook, run["id"])
    assert [event["version"] for event in told] == [1, 2, 3]
    assert {event["stream"] for event in told} == {f"run-{run['id']}"}
    assert [event["meta"]["actor"].split()[0] for event in told] == ["scheduler", "executor", "executor"]
    assert len({event["position"] for event in told}) == 3


def test_a_run_waits_for_an_executor_of_its_queue(duebook: Platform) -> None:
    job = duebook.create(queue="elsewhere", task="nap", payload={"seconds": 0})
    run = duebook.await_run(job["id"], "dispatched")
    with executor_of(duebook, "elsewhere"):
        assert duebook.await_run(job["id"], "succeeded")["id"] == run["id"]
    assert types(duebook, run["id"]).count("AttemptStarted") == 1
