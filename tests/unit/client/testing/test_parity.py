"""`duebook.testing` and an executor come to the same outcome for the same task.

The executor is the real one, but for its recorder: that decides on the run in memory, by the domain's `decide`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

import duebook
from duebook import execution
from duebook.context import Context
from duebook.errors import Fail, RetryAfter
from duebook.tasks import Registry
from duebook.testing import run_task
from duebook_common.domain.definition import Backoff
from duebook_common.domain.run.state import Run
from support.attempts import MemoryRecorder, an_assignment, attempts_with, started
from support.samples import MINUTE


class Report(BaseModel):
    day: datetime
    rows: int = 3


@dataclass
class Point:
    x: float


class Colour(Enum):
    RED = "red"


async def reads(report: Report) -> Any:
    return report


def returning(value: Any) -> Callable[[], Any]:
    def plain() -> Any:
        return value

    return plain


def raising(error: BaseException) -> Callable[[], Any]:
    async def asynchronous() -> None:
        raise error

    return asynchronous


async def endless() -> None:
    await asyncio.Event().wait()


def watchful(context: Context) -> None:
    context.stopping.wait(30)


def unserializable(context: Context) -> Any:
    context.checkpoint(object())


CASES: dict[str, tuple[Callable[..., Any], Any]] = {
    "payload": (reads, {"day": "2026-01-02T00:00:00Z"}),
    "no payload": (reads, {"rows": "many"}),
    "nothing": (returning(None), None),
    "values": (returning([Point(0.5), Colour.RED, UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC), (1, None)]), None),
    "not JSON": (returning({1: 2}), None),
    "decimal": (returning(Decimal(1)), None),
    "NaN": (returning(float("nan")), None),
    "large": (returning("x" * 300_000), None),
    "error": (raising(ValueError("boom")), None),
    "exit": (raising(SystemExit(3)), None),
    "cancelled": (raising(asyncio.CancelledError()), None),
    "fail": (raising(Fail("no")), None),
    "fail for good": (raising(Fail("no", retry=False)), None),
    "retry after": (raising(RetryAfter(90)), None),
    "checkpoint": (unserializable, None),
    "timeout": (endless, None),
    "timeout of a thread": (watchful, None),
}


async def executed(function: Callable[..., Any], payload: Any, timeout: timedelta) -> Run:
    """The run after one attempt on an executor."""
    attempts = attempts_with(MemoryRecorder(), function, inline=False)
    assignment = an_assignment(payload=payload, timeout=timeout, max_retries=3, backoff=Backoff(jitter=0))
    run = await (await started(attempts, assignment)).work
    assert run is not None
    return run


@pytest.mark.parametrize("name", CASES)
async def test_an_executor_and_a_test_come_to_the_same_outcome(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "STOP_SECONDS", 10)  # so that a full machine gives up no task that stops
    function, payload = CASES[name]
    timeout = timedelta(seconds=0.05) if name.startswith("timeout") else MINUTE
    run = await executed(function, payload, timeout)
    task: duebook.TaskFunction[..., Any, Any] = Registry().task("t")(function)
    outcome = await run_task(task, payload, timeout=timeout, max_retries=3)
    first = outcome.attempts[0]
    assert (first.error, outcome.result) == (run.error, run.result)
    assert {"succeeded": "succeeded", "retrying": "failed", "dead_lettered": "failed"}[run.status] == first.status
    assert (first.delay is not None) == (run.status == "retrying")
    if first.delay is not None:
        assert run.wake_at is not None
        assert run.finished_at is not None
        assert first.delay == run.wake_at - run.finished_at
