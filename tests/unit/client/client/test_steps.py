"""Calls as steps: what is sent, how long is waited in between, and which errors are final."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from duebook.client.errors import (
    ClientError,
    Conflict,
    Gone,
    Invalid,
    NotDuebook,
    NotFound,
    TooManyRequests,
    Unavailable,
    Unreachable,
)
from duebook.client.steps import Answer, Call, send
from duebook.client.wire import Request, Response
from support.client_answers import World, ok, problem

GET = Request("GET", "/api/job/1")
ONCE = Request("POST", "/api/job", body={}, headers={"Idempotency-Key": "a"})
NOT_AGAIN = Request("POST", "/api/run/1/cancel", body={}, repeatable=False)
LOST = Unreachable("refused")


def fetch(request: Request = GET) -> Call[Any]:
    return send(request, lambda value: value)


def test_a_request_without_an_answer_is_sent_again_with_the_same_key() -> None:
    world = World(LOST, problem(503), Response(502, b"<html>"), ok(1))
    assert world.perform(fetch(ONCE)) == 1
    assert {each.headers["Idempotency-Key"] for each in world.sent} == {"a"}
    assert world.slept == [0.1, 0.2, 0.4]


def test_what_may_have_acted_and_must_not_act_twice_is_not_sent_again() -> None:
    for lost in (LOST, Response(504, b"")):
        world = World(lost, ok(1))
        with pytest.raises((Unreachable, NotDuebook)):
            world.perform(fetch(NOT_AGAIN))
        assert len(world.sent) == 1
    assert World(problem(429), problem(503), ok(1)).perform(fetch(NOT_AGAIN)) == 1


def test_the_delay_that_a_server_asks_for_is_kept() -> None:
    world = World(problem(429, retry_after="7"), ok(1))
    world.perform(fetch())
    assert world.slept == [7.0]


def test_a_delay_that_ends_too_late_is_not_begun() -> None:
    world = World(problem(429, retry_after="31"))
    with pytest.raises(TooManyRequests) as caught:
        world.perform(fetch())
    assert (world.slept, caught.value.retry_after) == ([], 31.0)


def test_retries_end_after_their_time() -> None:
    def always() -> Iterator[Answer]:
        while True:
            yield problem(503)

    world = World(seconds=10)
    world._answers = always()
    with pytest.raises(Unavailable):
        world.perform(fetch())
    assert 8 <= world.now <= 10


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (409, Conflict), (412, Conflict), (410, Gone), (422, Invalid), (413, Invalid)]
)
def test_a_refusal_is_final_and_has_its_own_type(status: int, kind: type[ClientError]) -> None:
    world = World(problem(status))
    with pytest.raises(kind):
        world.perform(fetch())
    assert len(world.sent) == 1


def test_an_error_can_be_caught_by_the_call_itself() -> None:
    def call() -> Call[str]:
        try:
            yield from fetch()
        except NotFound:
            return "nothing"
        return "something"

    assert World(problem(404)).perform(call()) == "nothing"


def test_each_field_of_an_invalid_request_has_its_message() -> None:
    errors = [{"pointer": "/name", "detail": "too long"}, {"pointer": "/queue", "detail": "no queue"}]
    body = json.dumps({"code": "invalid", "detail": "…", "errors": errors}).encode()
    with pytest.raises(Invalid) as caught:
        World(Response(422, body)).perform(fetch())
    assert caught.value.errors == {"/name": "too long", "/queue": "no queue"}
