"""Calls in an event loop: in order, one wake-up for many, none in a closed loop."""

import asyncio
from collections.abc import Callable
from typing import Any

from duebook.loop_calls import LoopCalls


async def test_calls_come_in_order_and_wake_the_loop_once() -> None:
    loop, wakeups, called, done = asyncio.get_running_loop(), list[Callable[[], Any]](), list[int](), asyncio.Event()
    calls = LoopCalls(loop)

    def wake(function: Callable[[], Any]) -> None:
        wakeups.append(function)
        loop.call_soon(function)

    loop.call_soon_threadsafe, original = wake, loop.call_soon_threadsafe  # type: ignore[method-assign, assignment]
    try:
        for number in range(3):
            calls.call(lambda number=number: called.append(number))  # type: ignore[misc]
        calls.call(done.set)
        await done.wait()
    finally:
        loop.call_soon_threadsafe = original  # type: ignore[method-assign]
    assert called == [0, 1, 2]
    assert len(wakeups) == 1


async def test_a_call_during_a_call_follows_it() -> None:
    calls, done = LoopCalls(asyncio.get_running_loop()), asyncio.Event()
    calls.call(lambda: calls.call(done.set))
    async with asyncio.timeout(10):
        await done.wait()


def test_a_closed_loop_calls_nothing() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    LoopCalls(loop).call(lambda: None)
