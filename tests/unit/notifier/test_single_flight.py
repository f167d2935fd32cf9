import asyncio
from datetime import timedelta

import pytest

from duebook_notifier.single_flight import SingleFlight


async def test_who_comes_second_waits_for_the_first() -> None:
    passes, done, gate = SingleFlight(), [], asyncio.Event()

    async def work() -> int:
        await gate.wait()
        done.append(1)
        return 7

    waiting = [asyncio.create_task(passes.run("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [7, 7, 7]
    assert done == [1]
    assert await passes.run("key", work) == 7
    assert done == [1, 1]


async def test_a_cancelled_wait_leaves_the_work_alone_and_drain_awaits_it() -> None:
    passes, done, gate = SingleFlight(), [], asyncio.Event()

    async def work() -> None:
        await gate.wait()
        done.append(1)

    waiting = asyncio.create_task(passes.run("key", work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    asyncio.get_running_loop().call_soon(gate.set)
    await passes.drain(timedelta(seconds=10))
    assert done == [1]


async def test_draining_ends_after_the_grace_time() -> None:
    passes = SingleFlight()
    waiting = asyncio.create_task(passes.run("key", asyncio.Event().wait))
    await asyncio.sleep(0)
    await passes.drain(timedelta(milliseconds=1))
    with pytest.raises(asyncio.CancelledError):
        await waiting
