"""Waiting for runs: long polls, polls where the server has none, and the time that is left."""

from typing import Any

import pytest

from duebook.client import runs
from duebook.client.errors import RunCancelled, RunFailed, RunSkipped, WaitTimeout
from duebook.client.models import Run
from duebook.client.wire import Response
from support.client_answers import World, ok, problem, run_answer


def ended(status: str, **fields: Any) -> Run:
    return Run.model_validate(run_answer(status, **fields))


def test_a_long_poll_ends_with_the_run() -> None:
    world = World(ok(run_answer("running")), ok(run_answer("succeeded", result=7)))
    assert world.perform(runs.wait("1", timeout=50)).result == 7
    assert [(each.query["wait"], each.held) for each in world.sent] == [("PT30S", 30.0)] * 2


@pytest.mark.parametrize("refusal", [problem(429, "too_many_waits_of_client", "1"), problem(503, "too_many_waits")])
def test_where_no_further_request_may_wait_the_run_is_polled(refusal: Response) -> None:
    running = ok(run_answer("running"))
    world = World(refusal, running, refusal, running, ok(run_answer("succeeded")))
    world.perform(runs.wait("1"))
    assert ["wait" in each.query for each in world.sent] == [True, False, True, False, True]
    assert world.slept == [0.005, 0.01]


def test_a_timeout_bounds_the_whole_and_has_the_last_state() -> None:
    world = World(*[ok(run_answer("retrying"))] * 20)
    with pytest.raises(WaitTimeout) as caught:
        world.perform(runs.wait("1", timeout=2))
    assert caught.value.run is not None
    assert caught.value.run.status == "retrying"
    assert world.now == pytest.approx(2)
    assert all(each.held <= 2 for each in world.sent)


def test_a_wait_outlives_an_outage() -> None:
    world = World(ok(run_answer("running")), problem(503), ok(run_answer("succeeded")))
    assert world.perform(runs.wait("1", timeout=9)).ended


@pytest.mark.parametrize(
    ("status", "kind"),
    [("dead_lettered", RunFailed), ("cancelled", RunCancelled), ("discarded", RunCancelled), ("skipped", RunSkipped)],
)
def test_a_run_without_a_result_is_an_error_with_the_run(status: str, kind: type[RunFailed]) -> None:
    with pytest.raises(kind, match="boom") as caught:
        runs.outcome(ended(status, error="boom"))
    assert caught.value.run.status == status
