"""An executor dies or stalls during its attempts: others finish them, and late outcomes are refused."""

import pytest

from support.amqp import dead_letters
from support.fleet import Platform, eventually
from support.load import Load, held, job_spec, launch, metric, mix


@pytest.fixture
def load(platform: Platform) -> Load:
    """One executor; the tests start the second after the first has begun its attempts."""
    load = Load(platform)
    launch(platform, api=1, scheduler=1, executor=1)
    return load


def test_the_attempts_of_a_killed_executor_are_repeated_by_another(load: Load) -> None:
    load.submit(held(6, "gate"))
    before = load.await_running(6, "gate")
    launch(load.platform, executor=1)
    with load.submitting(mix(100), mix(100)):
        load.platform["executor", 0].kill()
    load.open("gate")
    load.check()
    after = load.held("gate")
    assert [(row["attempt"], row["failures"]) for row in after] == [(2, 1)] * 6
    assert {row["executor"] for row in before}.isdisjoint(row["executor"] for row in after)
    assert {row["run_id"] for row in after} <= {row["run_id"] for row in load.events("AttemptLost")}


def test_late_outcomes_of_a_stalled_executor_are_refused_and_counted(load: Load) -> None:
    stalled = load.platform["executor", 0]
    load.submit(held(3, "soon"), held(3, "late"))
    load.await_running(3, "soon")
    load.await_running(3, "late")
    launch(load.platform, executor=1)
    stalled.pause()
    eventually(lambda: {(row["attempt"], row["status"]) for row in load.held("late")} == {(2, "running")})
    load.open("soon")  # some have ended when the stalled executor resumes; the others are still running elsewhere
    eventually(lambda: {(row["attempt"], row["status"]) for row in load.held("soon")} == {(2, "succeeded")})
    stalled.resume()
    eventually(lambda: metric(stalled, "duebook_stale_outcomes_total") == 6)
    load.open("late")
    load.submit(mix(60))
    load.check()
    assert [row["result"] for row in load.held("soon") + load.held("late")] == [{"attempt": 2}] * 6


def test_a_last_attempt_that_is_lost_is_dead_lettered_in_rabbitmq_too(load: Load) -> None:
    load.submit(held(3, "never", retries=0, status="dead_lettered"))
    load.await_running(3, "never")
    load.submit([job_spec("dead_lettered", retries=1, failures=99)] * 3, mix(40))  # these use up their attempts
    launch(load.platform, executor=1)
    load.platform["executor", 0].kill()
    load.check()
    dead = {row["run_id"] for row in load.events("RunDeadLettered")}
    assert len(dead) == 3 + 3 + 2
    broker = load.platform.environment["DUEBOOK_RABBITMQ_URL"]
    found = eventually(lambda: found if (found := dead_letters(broker)).keys() == dead else None)
    assert {(d["queue"], d["reason"]) for deaths in found.values() for d in deaths} == {
        ("duebook.runs.default", "rejected")
    }
    assert {run["id"] for run in load.platform.get("/api/dead-letter?limit=200")["items"]} == dead
