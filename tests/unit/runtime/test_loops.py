"""Loops repeat their step until cancelled, and the supervisor notices a loop that ended."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from duebook_common.runtime.loops import Loops, detect_lost_connection, run_every, wait_until_set

HOUR = timedelta(hours=1)


class Steps:
    """A step with prepared results; after the last of them `exhausted` is set and the step returns 0."""

    def __init__(self, *results: int | Exception | type[BaseException]) -> None:
        self._results = list(results)
        self.count = 0
        self.exhausted = asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        if not self._results:
            return 0
        result = self._results.pop(0)
        if not self._results:
            self.exhausted.set()
        if isinstance(result, int):
            return result
        raise result


async def run_until(loop: Coroutine[Any, Any, None], reached: Callable[[], Awaitable[object]]) -> None:
    """Run the loop until `reached` returns; the loop must not have ended by itself."""
    task = asyncio.create_task(loop)
    try:
        async with asyncio.timeout(30):
            await reached()
    finally:
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_step_is_repeated_at_once_while_it_finds_work() -> None:
    steps = Steps(3, 1, 1, 0)
    await run_until(run_every("test", HOUR, steps), steps.exhausted.wait)
    assert steps.count == 4


async def test_after_a_step_without_work_the_loop_pauses() -> None:
    pausing = asyncio.Event()

    def pause() -> timedelta:
        pausing.set()
        return HOUR

    steps = Steps(1, 0)
    await run_until(run_every("test", pause, steps), pausing.wait)
    assert steps.count == 2


async def test_a_hint_ends_the_pause() -> None:
    wake, steps = asyncio.Event(), Steps(0, 0)

    async def hint() -> None:
        while steps.count < 1:
            await asyncio.sleep(0)
        wake.set()
        await steps.exhausted.wait()

    await run_until(run_every("test", HOUR, steps, wake), hint)
    assert steps.count == 2


async def test_a_hint_that_arrives_during_a_step_is_not_lost() -> None:
    wake, again = asyncio.Event(), asyncio.Event()

    async def step() -> int:
        assert not wake.is_set(), "the loop clears the hint before the step"
        if again.is_set():
            again.clear()
        else:
            again.set()
            wake.set()
        return 0

    async def twice() -> None:
        await again.wait()
        while again.is_set():
            await asyncio.sleep(0)

    await run_until(run_every("test", HOUR, step, wake), twice)


@pytest.mark.parametrize("error", [OSError("away"), ValueError("odd"), asyncio.CancelledError])
async def test_a_failed_step_is_retried(error: Exception | type[BaseException]) -> None:
    steps = Steps(error, error, 0)
    await run_until(run_every("test", HOUR, steps, longest=0.001), steps.exhausted.wait)
    assert steps.count == 3


async def test_the_pause_before_a_retry_stays_bounded_after_many_failures() -> None:
    steps = Steps(*[OSError("away")] * 1100, 0)
    await run_until(run_every("test", HOUR, steps, longest=0), steps.exhausted.wait)


async def test_a_cancelled_loop_ends() -> None:
    entered = asyncio.Event()

    async def step() -> int:
        entered.set()
        await asyncio.Event().wait()
        return 0

    task = asyncio.create_task(run_every("test", HOUR, step))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_error_without_a_cancel_request_is_a_lost_connection() -> None:
    async def connection_lost() -> int:
        raise asyncio.CancelledError

    with pytest.raises(ConnectionError):
        await detect_lost_connection(connection_lost())


async def test_waiting_ends_with_the_event_or_after_the_time() -> None:
    event = asyncio.Event()
    async with asyncio.timeout(30):
        await wait_until_set(event, 0)
        await wait_until_set(event, -1)
        event.set()
        await wait_until_set(event, 3600)


async def test_a_loop_that_ends_is_a_crash_of_its_service() -> None:
    async def returns() -> None:
        return

    async def raises() -> None:
        raise OSError("away")

    for loop in (returns(), raises()):
        loops = Loops()
        loops.start("short", loop)
        async with asyncio.timeout(30):
            await loops.crashed.wait()


async def test_a_stopped_loop_is_no_crash() -> None:
    loops, ended = Loops(), []

    async def endless(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    for name in ("a", "b", "c"):
        loops.start(name, endless(name))
    await asyncio.sleep(0)
    await loops.stop("b", "unknown")
    assert ended == ["b"]
    await loops.stop()
    assert sorted(ended) == ["a", "b", "c"]
    assert not loops.crashed.is_set()
