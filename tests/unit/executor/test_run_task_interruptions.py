"""A task that takes too long or is cancelled is interrupted, and left behind if it does not stop."""

import asyncio
import threading

import pytest

from duebook.context import Context
from duebook.execution import GivenUp
from duebook.outcomes import TaskFailure, TaskSuccess
from duebook_executor.task_loop import TaskLoop
from support.executions import SHORT, both_kinds, run_task, wait_in_thread

TIMED_OUT = TaskFailure("timed out after 0.05 s")
GIVEN_UP = "timed out after 0.05 s and was given up: it may still be running, because "
NOTHING_STOPS_IT = TaskFailure(f"{GIVEN_UP}nothing can stop a plain function")
NOT_STOPPED = TaskFailure(f"{GIVEN_UP}it did not stop when it was cancelled")


class Signals:
    """Events between a task in its thread and the test."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.cancelled = threading.Event()
        self.may_end = threading.Event()
        self.ended = threading.Event()


async def none_is_abandoned(loop: TaskLoop) -> None:
    """Wait until every task that was given up has ended."""
    async with asyncio.timeout(30):
        while loop.abandoned:
            await asyncio.sleep(0.005)


# Timeouts


@pytest.mark.usefixtures("long_stop")
async def test_a_task_that_takes_too_long_is_cancelled(loop: TaskLoop) -> None:
    signals = Signals()

    async def slow() -> None:
        signals.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            signals.cancelled.set()

    assert await run_task(loop, slow, timeout=SHORT, begun=signals.entered) == TIMED_OUT
    await wait_in_thread(signals.cancelled)


async def test_an_inline_task_has_a_timeout_too(loop: TaskLoop) -> None:
    async def slow() -> None:
        await asyncio.Event().wait()

    assert await run_task(loop, slow, timeout=SHORT, inline=True) == TIMED_OUT


async def test_a_plain_task_that_takes_too_long_is_given_up(loop: TaskLoop) -> None:
    signals = Signals()

    def slow() -> None:
        signals.may_end.wait(30)
        signals.ended.set()

    assert await run_task(loop, slow, timeout=SHORT) == NOTHING_STOPS_IT
    assert loop.abandoned == 1
    with pytest.raises(RuntimeError, match="1 tasks that were given up still run"):
        await loop.check(0)
    _, quick = both_kinds(lambda: 1)
    assert await run_task(loop, quick) == TaskSuccess(1)
    signals.may_end.set()
    await none_is_abandoned(loop)
    await loop.check(0)


@pytest.mark.usefixtures("long_stop")
async def test_a_plain_task_that_looks_whether_it_is_cancelled_is_not_given_up(loop: TaskLoop) -> None:
    begun = threading.Event()

    def watchful(_: object, context: Context) -> None:
        assert not context.cancelled
        begun.set()
        context.stopping.wait(30)
        assert context.cancelled

    assert await run_task(loop, watchful, timeout=SHORT, begun=begun) == TIMED_OUT
    assert loop.abandoned == 0


async def test_a_task_that_never_yields_is_given_up_and_counted_until_it_ends(loop: TaskLoop) -> None:
    signals = Signals()

    async def blocking() -> None:
        signals.entered.set()
        signals.may_end.wait(30)

    assert await run_task(loop, blocking, timeout=SHORT, begun=signals.entered) == NOT_STOPPED
    assert loop.abandoned == 1
    signals.may_end.set()
    await none_is_abandoned(loop)


async def test_a_task_that_its_blocked_loop_never_started_ends_once_the_loop_is_free(loop: TaskLoop) -> None:
    signals, started = Signals(), list[int]()

    async def blocking() -> None:
        signals.entered.set()
        signals.may_end.wait(30)

    async def behind() -> None:
        started.append(1)

    first = asyncio.create_task(run_task(loop, blocking))
    await wait_in_thread(signals.entered)
    assert await run_task(loop, behind, timeout=SHORT) == NOT_STOPPED
    signals.may_end.set()
    assert await first == TaskSuccess(None)
    await none_is_abandoned(loop)
    assert started == []


async def test_a_task_that_ignores_its_cancellation_is_given_up(loop: TaskLoop) -> None:
    signals = Signals()

    async def stubborn() -> str:
        signals.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            signals.cancelled.set()
        await asyncio.to_thread(signals.may_end.wait, 10)
        signals.ended.set()
        return "done after all"

    assert await run_task(loop, stubborn, timeout=SHORT, begun=signals.entered) == NOT_STOPPED
    await wait_in_thread(signals.cancelled)
    signals.may_end.set()
    await wait_in_thread(signals.ended)


# Cancellation by the executor


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_cancelled_execution_cancels_its_task(loop: TaskLoop, stubborn: bool) -> None:
    signals = Signals()

    async def slow() -> None:
        signals.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            signals.cancelled.set()
            if not stubborn:
                raise

    execution = asyncio.create_task(run_task(loop, slow))
    await wait_in_thread(signals.entered)
    execution.cancel()
    with pytest.raises(asyncio.CancelledError):
        await execution
    await wait_in_thread(signals.cancelled)


async def test_a_plain_task_of_a_cancelled_execution_is_given_up(loop: TaskLoop) -> None:
    signals = Signals()

    def slow() -> None:
        signals.entered.set()
        signals.may_end.wait(10)
        signals.ended.set()

    execution = asyncio.create_task(run_task(loop, slow))
    await wait_in_thread(signals.entered)
    execution.cancel()
    with pytest.raises(GivenUp):
        await execution
    signals.may_end.set()
    await wait_in_thread(signals.ended)
