"""Requests whose answer the server keeps back until the run has ended: created and awaited in one round trip."""

from datetime import timedelta
from typing import Any

import pytest

from duebook.client import Invalid, InvalidRequest, jobs
from duebook.client.enqueue import enqueue, run_of
from duebook.client.wire import Response
from support.client_answers import JOB, World, ok, problem, run_answer

RUN = run_answer("succeeded", result=7)


def test_a_job_is_created_and_its_run_awaited_by_one_request() -> None:
    world = World(ok(JOB | {"run": RUN}))
    job = world.perform(jobs.create("a", wait=30))
    assert (job.run.status, job.run.result) == ("succeeded", 7)
    [request] = world.sent
    assert (request.target, request.held, request.body) == ("/api/job?wait=PT30S", 30.0, {"name": "a"})


def test_a_run_is_triggered_and_awaited_by_one_request() -> None:
    world = World(ok(RUN))
    assert world.perform(jobs.trigger("1", wait=timedelta(seconds=1.5))).result == 7
    assert [each.target for each in world.sent] == ["/api/job/1/trigger?wait=PT1.5S"]


def test_a_task_is_enqueued_and_awaited_by_one_request() -> None:
    world = World(ok(JOB | {"run": RUN}))
    sent = world.perform(enqueue("log", wait=30))
    assert world.perform(run_of(sent, 60)).result == 7
    assert [each.target for each in world.sent] == ["/api/job?wait=PT30S"]


def test_a_run_that_has_not_ended_by_then_is_awaited_further() -> None:
    world = World(ok(JOB | {"run": run_answer("running")}), ok(JOB | {"run": RUN}))
    assert world.perform(run_of(world.perform(enqueue("log", wait=1)), None)).result == 7
    first, second = world.sent
    assert (first.target, second.target) == ("/api/job?wait=PT1S", "/api/job?wait=PT30S")
    assert (first.headers, first.body) == (second.headers, second.body)


@pytest.mark.parametrize("refusal", [problem(429, "too_many_waits_of_client", "1"), problem(503, "too_many_waits")])
def test_where_no_further_request_may_wait_the_answer_comes_at_once(refusal: Response) -> None:
    world = World(refusal, ok(JOB))
    assert world.perform(jobs.create("a", wait=30)).run is None
    first, second = world.sent
    assert (first.headers, second.target, second.held) == (second.headers, "/api/job", 0)


def test_a_wait_that_the_server_refuses_is_an_error() -> None:
    with pytest.raises(Invalid):
        World(problem(422)).perform(jobs.create("a", wait=3600))


@pytest.mark.parametrize("call", [jobs.create, jobs.trigger, enqueue])
@pytest.mark.parametrize("wait", [float("nan"), float("inf"), -1, 0, "30"])
def test_what_is_no_duration_is_refused_before_anything_is_sent(call: Any, wait: Any) -> None:
    with pytest.raises(InvalidRequest, match="wait"):
        World().perform(call("log", wait=wait))
