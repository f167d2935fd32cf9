"""Hints travel over Redis, cost their caller nothing, and outlive its restarts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from duebook_common.runtime.hints import Hints


@asynccontextmanager
async def listening(hints: Hints, event: asyncio.Event) -> AsyncIterator[None]:
    task = asyncio.create_task(hints.listen(event))
    try:
        async with asyncio.timeout(10):
            await event.wait()  # set once the subscription stands
        event.clear()
        yield
    finally:
        task.cancel()


async def test_a_wake_reaches_the_listener(redis_url: str) -> None:
    hints, event = Hints(redis_url), asyncio.Event()
    async with listening(hints, event):
        hints.wake()
        async with asyncio.timeout(10):
            await event.wait()
    await hints.close()


async def test_a_cancel_names_its_run(redis_url: str) -> None:
    hints, run_id = Hints(redis_url), uuid4()
    heard: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()

    def hear(id_: UUID) -> None:
        if id_ == run_id and not heard.done():
            heard.set_result(id_)

    task = asyncio.create_task(hints.listen_cancels(hear))
    async with asyncio.timeout(10):
        while not heard.done():  # the subscription may not stand yet
            hints.cancel(run_id)
            await asyncio.wait([heard], timeout=0.05)
    task.cancel()
    await hints.close()


async def test_many_wakes_at_once_are_one_message(redis_url: str) -> None:
    hints, count = Hints(redis_url), 0

    def hear(_: str) -> None:
        nonlocal count
        count += 1

    connected = asyncio.Event()
    task = asyncio.create_task(hints._subscribe("duebook:wake", hear, connected.set))
    async with asyncio.timeout(10):
        await connected.wait()
        for _ in range(100):
            hints.wake()
        hints.cancel(uuid4())
        await hints.close()
        while not count:
            await asyncio.sleep(0.01)
    task.cancel()
    assert count == 1


async def test_without_redis_nobody_waits_and_nothing_fails() -> None:
    hints = Hints("redis://127.0.0.1:1/0")
    hints.wake()
    hints.cancel(uuid4())
    async with asyncio.timeout(5):
        await hints.close()
