"""Loops that never end by themselves, and what is known of one that did."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from duebook_common.runtime.loops import Loops, every, guarded, wait

HOUR = timedelta(hours=1)


class Steps:
    """Answers of a step, one after the other; `ran` tells how many there were so far."""

    def __init__(self, *answers: int | Exception | type[BaseException]) -> None:
        self._answers = list(answers)
        self.count = 0
        self.all = asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        if not self._answers:
            return 0
        answer = self._answers.pop(0)
        if not self._answers:
            self.all.set()
        if isinstance(answer, int):
            return answer
        raise answer


async def ran(loop: Coroutine[Any, Any, None], until: Callable[[], Awaitable[object]]) -> None:
    """The loop runs until the fact has come; it must not have ended by itself."""
    task = asyncio.create_task(loop)
    try:
        async with asyncio.timeout(5):
            await until()
    finally:
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_step_is_repeated_at_once_while_it_finds_work() -> None:
    steps = Steps(3, 1, 1, 0)
    await ran(every("test", HOUR, steps), steps.all.wait)
    assert steps.count == 4


async def test_a_step_that_found_nothing_waits_for_its_pause() -> None:
    asked = asyncio.Event()

    def pause() -> timedelta:
        asked.set()
        return HOUR

    steps = Steps(1, 0)
    await ran(every("test", pause, steps), asked.wait)
    assert steps.count == 2


async def test_a_hint_ends_the_pause() -> None:
    wake, steps = asyncio.Event(), Steps(0, 0)

    async def hint() -> None:
        while steps.count < 1:
            await asyncio.sleep(0)
        wake.set()
        await steps.all.wait()

    await ran(every("test", HOUR, steps, wake), hint)
    assert steps.count == 2


async def test_a_hint_that_comes_during_a_step_is_not_lost() -> None:
    wake, again = asyncio.Event(), asyncio.Event()

    async def step() -> int:
        if wake.is_set():
            raise AssertionError("the hint must be taken before the step")
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

    await ran(every("test", HOUR, step, wake), twice)


@pytest.mark.parametrize("error", [OSError("away"), ValueError("odd"), asyncio.CancelledError])
async def test_a_failed_step_is_repeated(error: Exception | type[BaseException]) -> None:
    steps = Steps(error, error, 0)
    await ran(every("test", HOUR, steps, longest=0.001), steps.all.wait)
    assert steps.count == 3


async def test_a_loop_that_fails_for_ages_still_waits_no_longer_than_it_may() -> None:
    steps = Steps(*[OSError("away")] * 1100, 0)
    await ran(every("test", HOUR, steps, longest=0), steps.all.wait)


async def test_a_cancelled_loop_ends() -> None:
    begun = asyncio.Event()

    async def step() -> int:
        begun.set()
        await asyncio.Event().wait()
        return 0

    task = asyncio.create_task(every("test", HOUR, step))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_nobody_asked_for_is_a_lost_connection() -> None:
    async def dies() -> int:
        raise asyncio.CancelledError

    with pytest.raises(ConnectionError):
        await guarded(dies())


async def test_waiting_ends_with_the_event_or_with_the_time() -> None:
    event = asyncio.Event()
    async with asyncio.timeout(5):
        await wait(event, 0)
        await wait(event, -1)
        event.set()
        await wait(event, 3600)


async def test_a_loop_that_ends_is_a_crash_of_its_service() -> None:
    async def ends() -> None:
        return

    async def fails() -> None:
        raise OSError("away")

    for loop in (ends(), fails()):
        loops = Loops()
        loops.start("short", loop)
        async with asyncio.timeout(5):
            await loops.crashed.wait()


async def test_loops_that_are_stopped_on_purpose_are_no_crash() -> None:
    loops, ended = Loops(), []

    async def lasts(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    for name in ("a", "b", "c"):
        loops.start(name, lasts(name))
    await asyncio.sleep(0)
    await loops.stop("b", "unknown")
    assert ended == ["b"]
    await loops.stop()
    assert sorted(ended) == ["a", "b", "c"]
    assert not loops.crashed.is_set()
