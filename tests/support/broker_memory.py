"""What the libraries for RabbitMQ hold in memory."""

import asyncio
import gc
from collections import Counter

from aio_pika.tools import OneShotCallback

_HELD = (asyncio.Future, asyncio.Event, OneShotCallback)


async def held() -> Counter[str]:
    """How many futures, tasks, events and callbacks there are, once what has finished has left the loop."""
    for _ in range(20):
        await asyncio.sleep(0)
    gc.collect()
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, _HELD))
