"""Work that outlives its callers, once at a time for each key."""

import asyncio
from datetime import timedelta

import pytest

from duebook_notifier.single_flight import SingleFlight


async def test_a_second_call_with_the_same_key_joins_the_first() -> None:
    single_flight, done, gate = SingleFlight(), [], asyncio.Event()

    async def work() -> int:
        await gate.wait()
        done.append(1)
        return 7

    waiting = [asyncio.create_task(single_flight.run("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [7, 7, 7]
    assert done == [1]
    assert await single_flight.run("key", work) == 7
    assert done == [1, 1]


async def test_a_cancelled_caller_does_not_cancel_the_work() -> None:
    single_flight, done, gate = SingleFlight(), [], asyncio.Event()

    async def work() -> None:
        await gate.wait()
        done.append(1)

    waiting = asyncio.create_task(single_flight.run("key", work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    asyncio.get_running_loop().call_soon(gate.set)
    await single_flight.drain(timedelta(seconds=10))
    assert done == [1]


async def test_draining_ends_after_the_grace_time() -> None:
    single_flight = SingleFlight()
    waiting = asyncio.create_task(single_flight.run("key", asyncio.Event().wait))
    await asyncio.sleep(0)
    await single_flight.drain(timedelta(milliseconds=1))
    with pytest.raises(asyncio.CancelledError):
        await waiting
