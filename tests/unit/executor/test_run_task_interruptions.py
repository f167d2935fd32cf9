"""A task that takes too long or is cancelled is interrupted, and left behind if it does not stop."""

import asyncio
import threading

import pytest

from duebook_executor.run_task import TaskFailure, TaskSuccess
from duebook_executor.task_loop import TaskLoop
from support.executions import SHORT, both_kinds, run_task, wait_in_thread

TIMED_OUT = TaskFailure("timed out after 0.05 s")


class Signals:
    """Events between a task in its thread and the test."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.cancelled = threading.Event()
        self.may_end = threading.Event()
        self.ended = threading.Event()


# Timeouts


async def test_a_task_that_takes_too_long_is_cancelled(loop: TaskLoop) -> None:
    signals = Signals()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            signals.cancelled.set()

    assert await run_task(loop, slow, timeout=SHORT) == TIMED_OUT
    await wait_in_thread(signals.cancelled)


async def test_an_inline_task_has_a_timeout_too(loop: TaskLoop) -> None:
    async def slow() -> None:
        await asyncio.Event().wait()

    assert await run_task(loop, slow, timeout=SHORT, inline=True) == TIMED_OUT


async def test_a_plain_task_that_takes_too_long_is_left_behind(loop: TaskLoop) -> None:
    signals = Signals()

    def slow() -> None:
        signals.may_end.wait(10)
        signals.ended.set()

    assert await run_task(loop, slow, timeout=SHORT) == TIMED_OUT
    _, quick = both_kinds(lambda: 1)
    assert await run_task(loop, quick) == TaskSuccess(1)
    signals.may_end.set()
    await wait_in_thread(signals.ended)


async def test_a_task_that_ignores_its_cancellation_is_left_behind(loop: TaskLoop) -> None:
    signals = Signals()

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            signals.cancelled.set()
        await asyncio.to_thread(signals.may_end.wait, 10)
        signals.ended.set()
        return "done after all"

    assert await run_task(loop, stubborn, timeout=SHORT) == TIMED_OUT
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


async def test_a_plain_task_of_a_cancelled_execution_is_left_behind(loop: TaskLoop) -> None:
    signals = Signals()

    def slow() -> None:
        signals.entered.set()
        signals.may_end.wait(10)
        signals.ended.set()

    execution = asyncio.create_task(run_task(loop, slow))
    await wait_in_thread(signals.entered)
    execution.cancel()
    with pytest.raises(asyncio.CancelledError):
        await execution
    signals.may_end.set()
    await wait_in_thread(signals.ended)
