"""`duebook.testing` runs a task as an executor would, and shows what became of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from duebook import Backoff, Context, Fail, RetryAfter, TaskFunction, execution
from duebook.context import Line, Progress
from duebook.defaults import Defaults
from duebook.resources import Resource, ResourceRegistry
from duebook.tasks import Registry
from duebook.testing import FakeClock, run_task, run_task_sync

SECOND = timedelta(seconds=1)


class Report(BaseModel):
    day: datetime
    region: str = "eu"


def a_task(function: Callable[..., Any], **defaults: Any) -> TaskFunction[..., Any, Any]:
    made: TaskFunction[..., Any, Any] = Registry().task("t", Defaults(**defaults))(function)
    return made


async def nightly(report: Report, context: Context) -> dict[str, Any]:
    return {"day": report.day, "id": context.run_id, "attempt": context.attempt}


async def test_payload_and_result_pass_through_json() -> None:
    outcome = await run_task(a_task(nightly), Report(day=datetime(2026, 1, 2, tzinfo=UTC)))
    assert outcome.status == "succeeded"
    assert outcome.result["day"] == "2026-01-02T00:00:00+00:00"
    assert UUID(outcome.result["id"])
    assert [attempt.number for attempt in outcome.attempts] == [1]


async def test_a_payload_that_does_not_fit_is_dead_lettered_at_once() -> None:
    outcome = await run_task(a_task(nightly), {"region": 3})
    assert (outcome.status, len(outcome.attempts)) == ("dead_lettered", 1)
    assert outcome.error is not None
    assert "/day: Field required" in outcome.error
    with pytest.raises(ValueError, match="at most"):
        await run_task(a_task(nightly), "x" * 300_000)


def test_retries_follow_the_backoff_without_sleeping() -> None:
    seen: list[datetime] = []
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))

    def flaky(context: Context) -> int:
        seen.append(clock.now())
        if context.attempt < 4:
            raise ConnectionError("busy")
        return context.attempt

    task = a_task(flaky, max_retries=5, backoff=Backoff(initial=timedelta(hours=1), factor=3, max=timedelta(hours=4)))
    outcome = run_task_sync(task, clock=clock)
    assert (outcome.status, outcome.result) == ("succeeded", 4)
    assert outcome.delays == [timedelta(hours=1), timedelta(hours=3), timedelta(hours=4)]
    assert seen == [attempt.started_at for attempt in outcome.attempts]
    assert clock.now() == datetime(2026, 5, 1, 8, tzinfo=UTC)


async def test_a_run_out_of_attempts_is_dead_lettered() -> None:
    def fails() -> None:
        raise Fail("as ever")

    outcome = await run_task(a_task(fails, max_retries=1))
    assert (outcome.status, outcome.error, len(outcome.attempts)) == ("dead_lettered", "as ever", 2)
    assert len((await run_task(a_task(fails), max_retries=0)).attempts) == 1
    assert len((await run_task(a_task(fails))).attempts) == 4


async def test_fail_without_a_retry_and_retry_after_decide() -> None:
    async def asks(context: Context) -> None:
        if context.attempt == 1:
            raise RetryAfter(90, "later")
        raise Fail("no use", retry=False)

    outcome = await run_task(a_task(asks))
    assert (outcome.status, outcome.error, outcome.delays) == ("dead_lettered", "no use", [90 * SECOND])


async def test_a_task_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "STOP_SECONDS", 10)  # so that a full machine gives up no task that stops

    async def endless(context: Context) -> None:
        await asyncio.Event().wait()

    def deaf(context: Context) -> None:
        context.stopping.wait(30)

    for function in (endless, deaf):
        outcome = await run_task(a_task(function), timeout=0.05, max_retries=0)
        assert (outcome.status, outcome.error) == ("dead_lettered", "timed out after 0.05 s")


async def test_a_cancelled_run_has_no_further_attempt() -> None:
    stopped: list[bool] = []

    async def endless(context: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(context.cancelled)

    outcome = await run_task(a_task(endless), cancel_after=0.01)
    assert (outcome.status, len(outcome.attempts), stopped) == ("cancelled", 1, [True])
    assert not outcome.attempts[0].given_up


async def test_a_test_that_is_cancelled_itself_gets_no_outcome() -> None:
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    testing = asyncio.create_task(run_task(a_task(endless)))
    await started.wait()
    testing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await testing


async def test_the_next_attempt_gets_the_last_checkpoint() -> None:
    def imports(context: Context) -> int:
        start = context.last_checkpoint or 0
        context.progress(start / 4, f"row {start}")
        context.log("row", rows=start)
        context.checkpoint(start + 1)
        context.checkpoint(start + 2)
        if start < 3:
            raise ConnectionError
        return int(start)

    outcome = await run_task(a_task(imports), last_checkpoint=1)
    assert outcome.result == 3
    assert [attempt.checkpoints for attempt in outcome.attempts] == [[2, 3], [4, 5]]
    assert outcome.attempts[0].lines == [Line("row", "info", {"rows": 1})]
    assert (outcome.messages, outcome.progress) == (["row", "row"], Progress(0.75, "row 3"))


class Pool:
    rows = 3


async def test_resources_are_opened_for_the_run_or_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []

    async def pool() -> AsyncIterator[Pool]:
        notes.append("open")
        yield Pool()
        notes.append("close")

    registry = ResourceRegistry()
    registry.add(Resource.of(pool))
    monkeypatch.setattr("duebook.resources._USER_RESOURCES", registry)

    def plain(pool: Pool) -> int:
        return pool.rows

    async def asynchronous(pool: Pool) -> int:
        return pool.rows

    fake = Pool()
    fake.rows = 7
    for function in (plain, asynchronous):
        assert (await run_task(a_task(function))).result == 3
        assert (await run_task(a_task(function), resources={Pool: fake})).result == 7
    assert notes == ["open", "close"] * 2


def test_the_plugin_has_a_clock(fake_clock: FakeClock) -> None:
    fake_clock.advance(SECOND)
    assert fake_clock.now() == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
