"""Waiting for runs: long polls, polls where the server has none, and the time that is left."""

import json
from typing import Any

import pytest

from duebook.client import runs
from duebook.client.errors import NoRun, RunCancelled, RunFailed, RunSkipped, WaitTimeout
from duebook.client.models import Job, Run
from duebook.client.wire import Response
from support.client_answers import JOB, World, ok, problem, run_answer

NO_ITEMS: dict[str, Any] = {"items": [], "next_cursor": None}


def ended(status: str, **fields: Any) -> Run:
    return Run.model_validate(run_answer(status, **fields))


def test_a_long_poll_ends_with_the_run() -> None:
    world = World(ok(run_answer("running")), ok(run_answer("succeeded", result=7)))
    assert world.perform(runs.wait("1", timeout=50)).result == 7
    assert [(each.query["wait"], each.held) for each in world.sent] == [("PT30S", 30.0)] * 2


def test_a_server_without_long_polls_is_polled() -> None:
    refused = json.dumps({"code": "invalid", "errors": [{"pointer": "/wait", "detail": "there is no such"}]}).encode()
    world = World(Response(422, refused), *[ok(run_answer("running"))] * 3, ok(run_answer("succeeded")))
    world.perform(runs.wait("1"))
    assert [each.query for each in world.sent[1:]] == [{}] * 4
    assert world.slept == [0.005, 0.01, 0.02]


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


def test_the_run_of_a_job_is_awaited_until_there_is_one() -> None:
    job, none = Job.model_validate(JOB), NO_ITEMS
    world = World(ok(none), ok(none), ok({"items": [run_answer("running")], "next_cursor": None}))
    assert world.perform(runs.first_run(job, None)).status == "running"


def test_a_job_that_ended_without_a_run_is_an_error() -> None:
    job, none = Job.model_validate(JOB), NO_ITEMS
    deleted = JOB | {"status": "deleted", "next_due_at": None}
    world = World(*[ok(none)] * 9, ok(deleted), ok(none))
    with pytest.raises(NoRun, match="deleted"):
        world.perform(runs.first_run(job, 60))
