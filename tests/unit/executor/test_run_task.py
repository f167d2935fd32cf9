"""Whatever a task does, its attempt gets an outcome, and no other task is affected."""

import asyncio
import concurrent.futures
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel

from duebook.context import Context
from duebook.errors import Fail, RetryAfter
from duebook.outcomes import TaskFailure, TaskSuccess
from duebook_executor.task_loop import TaskLoop
from support.executions import both_kinds, run_task


def raising(error: BaseException) -> Callable[[], Any]:
    def body() -> Any:
        raise error

    return body


# What a task returns


async def test_a_task_gets_its_payload_and_its_context(loop: TaskLoop) -> None:
    async def asynchronous(payload: Any, context: Context) -> Any:
        return [payload, context.attempt, context.idempotency_key]

    def plain(payload: Any, context: Context) -> Any:
        return [payload, context.attempt, context.idempotency_key]

    for function in (asynchronous, plain):
        assert await run_task(loop, function, {"a": 1}) == TaskSuccess([{"a": 1}, 3, "k"])


async def test_a_result_is_kept_as_json(loop: TaskLoop) -> None:
    results = [
        (None, None),
        ((1, "ü"), [1, "ü"]),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, {"at": "2026-01-01T00:00:00+00:00"}),
        (UUID(int=1), str(UUID(int=1))),
    ]
    for returned, kept in results:
        for function in both_kinds(lambda value=returned: value):  # type: ignore[misc]
            assert await run_task(loop, function) == TaskSuccess(kept)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (object(), "a value that JSON cannot hold"),
        ({1: 2}, "a value that JSON cannot hold"),
        (2**64, "a value that JSON cannot hold"),
        ("\ud800", "a value that JSON cannot hold"),
        ("a\0b", "a value that JSON cannot hold: a NUL"),
        (nan, "a value that JSON cannot hold: NaN or infinity"),
        ({"mean": [None, (1.5, -inf)]}, "a value that JSON cannot hold: NaN or infinity"),
        ("x" * 300_000, "300002 bytes of JSON; the limit is 262144"),
    ],
    ids=["object", "number as key", "huge number", "lone surrogate", "NUL", "NaN", "infinity", "large"],
)
async def test_a_result_that_cannot_be_stored_fails_for_good(loop: TaskLoop, result: Any, error: str) -> None:
    """A retry would return the same."""
    for function in both_kinds(lambda: result):
        outcome = await run_task(loop, function)
        assert isinstance(outcome, TaskFailure)
        assert error in outcome.error
        assert not outcome.retry


async def test_a_result_of_the_largest_size_is_stored(loop: TaskLoop) -> None:
    async def large() -> str:
        return "x" * (256 * 1024 - 2)

    assert isinstance(await run_task(loop, large), TaskSuccess)


# What a task raises


class Unreadable(Exception):
    def __str__(self) -> str:
        raise OSError


class Endless(Exception):
    def __str__(self) -> str:
        return "x" * 10_000


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("boom"), TaskFailure("ValueError: boom")),
        (ValueError(), TaskFailure("ValueError")),
        (KeyError("x"), TaskFailure("KeyError: 'x'")),
        (TimeoutError(), TaskFailure("TimeoutError")),
        (Fail("no such region"), TaskFailure("no such region")),
        (Fail("no such region", retry=False), TaskFailure("no such region", retry=False)),
        (Fail(""), TaskFailure("no message")),
        (RetryAfter(90), TaskFailure("the task requested a retry after 90 s", delay=timedelta(seconds=90))),
        (RetryAfter(timedelta(0), "busy"), TaskFailure("busy", delay=timedelta(0))),
        (SystemExit(3), TaskFailure("SystemExit: 3")),
        (KeyboardInterrupt(), TaskFailure("KeyboardInterrupt")),
        (GeneratorExit(), TaskFailure("GeneratorExit")),
        (BaseException("odd"), TaskFailure("BaseException: odd")),
        (BaseExceptionGroup("g", [SystemExit(1)]), TaskFailure("BaseExceptionGroup: g (1 sub-exception)")),
        (ValueError("a\0b \ud800"), TaskFailure("ValueError: a\ufffdb ?")),
        (Unreadable(), TaskFailure("Unreadable: its message cannot be read")),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_whatever_a_task_raises_becomes_its_failure(
    loop: TaskLoop, error: BaseException, failure: TaskFailure
) -> None:
    for function in both_kinds(raising(error)):
        assert await run_task(loop, function) == failure
    asynchronous, _ = both_kinds(lambda: 1)
    assert await run_task(loop, asynchronous) == TaskSuccess(1), "the tasks' loop must survive"


async def test_a_stop_iteration_is_an_error_like_any_other(loop: TaskLoop) -> None:
    """A future cannot hold it: without care such a task would hang until its timeout."""
    asynchronous, plain = both_kinds(lambda: next(iter([])))
    assert await run_task(loop, plain) == TaskFailure("StopIteration")
    outcome = await run_task(loop, asynchronous)
    assert isinstance(outcome, TaskFailure)
    assert "StopIteration" in outcome.error


async def test_a_long_error_is_cut(loop: TaskLoop) -> None:
    for function in both_kinds(raising(Endless())):
        outcome = await run_task(loop, function)
        assert isinstance(outcome, TaskFailure)
        assert len(outcome.error) == 4000


async def test_a_cancelled_error_of_the_tasks_own_is_a_failure(loop: TaskLoop) -> None:
    for error in (asyncio.CancelledError(), concurrent.futures.CancelledError()):
        for function in both_kinds(raising(error)):
            outcome = await run_task(loop, function)
            assert isinstance(outcome, TaskFailure)
            assert "Cancelled" in outcome.error
            assert outcome.retry


async def test_a_task_that_cancels_itself_has_failed(loop: TaskLoop) -> None:
    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    assert isinstance(await run_task(loop, cancels_itself), TaskFailure)


async def test_an_error_of_an_inline_task_is_its_failure_too(loop: TaskLoop) -> None:
    for error, failure in (
        (ValueError("boom"), TaskFailure("ValueError: boom")),
        (TimeoutError("theirs"), TaskFailure("TimeoutError: theirs")),
        (Fail("no", retry=False), TaskFailure("no", retry=False)),
    ):
        asynchronous, _ = both_kinds(raising(error))
        assert await run_task(loop, asynchronous, inline=True) == failure


# Payloads


class Region(BaseModel):
    region: str


def _exit(_: str) -> str:
    sys.exit(1)


class Exiting(BaseModel):
    region: Annotated[str, AfterValidator(_exit)]


async def test_a_payload_that_does_not_fit_fails_for_good(loop: TaskLoop) -> None:
    async def report(region: Region) -> str:
        return region.region

    assert await run_task(loop, report, {"region": "eu"}) == TaskSuccess("eu")
    outcome = await run_task(loop, report, {"region": 7})
    assert isinstance(outcome, TaskFailure)
    assert "/region" in outcome.error
    assert not outcome.retry


async def test_a_validator_that_exits_fails_its_attempt_only(loop: TaskLoop) -> None:
    async def report(region: Exiting) -> str:
        return region.region

    assert await run_task(loop, report, {"region": "eu"}) == TaskFailure("SystemExit: 1")
