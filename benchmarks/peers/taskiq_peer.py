"""TaskIQ: its task, and how it is submitted."""

import asyncio
import os
import time

from taskiq_aio_pika import AioPikaBroker

from benchmarks.peers import ticks

_AT_ONCE = 100

broker = AioPikaBroker(os.environ["PEER_RABBITMQ_URL"], qos=100)


async def _nothing() -> None:
    ticks.tick()


nothing = broker.task(task_name="nothing")(_nothing)


def submit_each(count: int) -> float:
    """Submit tasks one by one; returns when that began, in seconds since 1970: connected already."""
    return asyncio.run(_submit(count, 1))


def submit_all(count: int) -> float:
    """The same, many at once."""
    return asyncio.run(_submit(count, _AT_ONCE))


async def _submit(count: int, at_once: int) -> float:
    await broker.startup()
    began = time.time()
    for done in range(0, count, at_once):
        await asyncio.gather(*[nothing.kiq() for _ in range(min(at_once, count - done))])
    await broker.shutdown()
    return began
