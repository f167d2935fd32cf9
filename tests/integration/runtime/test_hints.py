"""Hints travel over Redis, and cost their publisher nothing if Redis is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from duebook_common.runtime.hints import WAKE, Hints


@asynccontextmanager
async def listening(hints: Hints, event: asyncio.Event) -> AsyncIterator[None]:
    task = asyncio.create_task(hints.listen(event))
    try:
        async with asyncio.timeout(60):
            await event.wait()  # set by the subscription itself
        event.clear()
        yield
    finally:
        task.cancel()


async def test_a_wake_hint_reaches_the_listener(redis_url: str) -> None:
    hints, event = Hints(redis_url), asyncio.Event()
    async with listening(hints, event):
        hints.wake()
        async with asyncio.timeout(60):
            await event.wait()
    await hints.close()


async def test_a_cancel_hint_names_its_run(redis_url: str) -> None:
    hints, run_id = Hints(redis_url), uuid4()
    received: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()

    def on_cancel(id_: UUID) -> None:
        if id_ == run_id and not received.done():
            received.set_result(id_)

    task = asyncio.create_task(hints.listen_cancels(on_cancel))
    async with asyncio.timeout(60):
        while not received.done():  # hints before the subscription are lost
            hints.cancel(run_id)
            await asyncio.wait([received], timeout=0.05)
    task.cancel()
    await hints.close()


async def test_equal_hints_at_once_are_one_message(redis_url: str) -> None:
    hints, count = Hints(redis_url), 0

    def on_message(_: str) -> None:
        nonlocal count
        count += 1

    subscribed = asyncio.Event()
    task = asyncio.create_task(hints._subscribe(WAKE, on_message, subscribed.set))
    async with asyncio.timeout(60):
        await subscribed.wait()
        for _ in range(100):
            hints.wake()
        hints.cancel(uuid4())
        await hints.close()
        while not count:
            await asyncio.sleep(0.01)
    task.cancel()
    assert count == 1


async def test_without_redis_no_publisher_waits_or_fails() -> None:
    hints = Hints("redis://127.0.0.1:1/0")
    hints.wake()
    hints.cancel(uuid4())
    async with asyncio.timeout(30):
        await hints.close()
