"""An executor dies or falls silent in the middle of its attempts: others finish them, and a late answer is refused."""

import pytest

from support.amqp import dead_letters
from support.fleet import Platform, eventually
from support.load import Load, held, launch, metric, mix, wish


@pytest.fixture
def load(platform: Platform) -> Load:
    """The second executor is not there yet: what runs, runs on the first."""
    load = Load(platform)
    launch(platform, api=1, scheduler=1, executor=1)
    return load


def test_what_a_killed_executor_left_is_done_by_another_as_attempt_2(load: Load) -> None:
    load.submit(held(6, "gate"))
    begun = load.await_running(6, "gate")
    launch(load.platform, executor=1)
    with load.submitting(mix(100), mix(100)):
        load.platform["executor", 0].kill()
    load.open("gate")
    load.check()
    again = load.held("gate")
    assert [(row["attempt"], row["failures"]) for row in again] == [(2, 1)] * 6
    assert {row["executor"] for row in begun}.isdisjoint(row["executor"] for row in again)
    assert {row["run_id"] for row in again} <= {row["run_id"] for row in load.events("AttemptLost")}


def test_the_late_outcomes_of_a_silent_executor_are_refused_and_counted(load: Load) -> None:
    silent = load.platform["executor", 0]
    load.submit(held(3, "soon"), held(3, "late"))
    load.await_running(3, "soon")
    load.await_running(3, "late")
    launch(load.platform, executor=1)
    silent.pause()
    eventually(lambda: {(row["attempt"], row["status"]) for row in load.held("late")} == {(2, "running")})
    load.open("soon")  # some have ended when the silent one wakes up, others are still under way elsewhere
    eventually(lambda: {(row["attempt"], row["status"]) for row in load.held("soon")} == {(2, "succeeded")})
    silent.resume()
    eventually(lambda: metric(silent, "duebook_stale_outcomes_total") == 6)
    load.open("late")
    load.submit(mix(60))
    load.check()
    assert [row["result"] for row in load.held("soon") + load.held("late")] == [{"attempt": 2}] * 6


def test_a_run_whose_last_attempt_dies_with_its_executor_is_dead_lettered_in_rabbitmq_too(load: Load) -> None:
    load.submit(held(3, "never", retries=0, status="dead_lettered"))
    load.await_running(3, "never")
    load.submit([wish("dead_lettered", retries=1, failures=99)] * 3, mix(40))  # these by ordinary exhaustion
    launch(load.platform, executor=1)
    load.platform["executor", 0].kill()
    load.check()
    resting = {row["run_id"] for row in load.events("RunDeadLettered")}
    assert len(resting) == 3 + 3 + 2
    broker = load.platform.environment["DUEBOOK_RABBITMQ_URL"]
    eventually(lambda: dead_letters(broker).keys() == resting)
    found = dead_letters(broker)
    assert {(d["queue"], d["reason"]) for deaths in found.values() for d in deaths} == {
        ("duebook.runs.default", "rejected")
    }
    assert {run["id"] for run in load.platform.get("/api/dead-letter?limit=200")["items"]} == resting
