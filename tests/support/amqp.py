"""Looking into RabbitMQ's queues as an operator would, without taking anything out."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel

from duebook_common.broker.messages import RunMessage
from duebook_common.broker.topology import dead_letter_queue

T = TypeVar("T")


def dead_letters(url: str, queue: str = "default") -> dict[str, list[dict[str, Any]]]:
    """The dead-letter queue's messages: by run id, the `x-death` of each. Closing the channel gives them back."""

    async def look(channel: AbstractChannel) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        resting = await channel.get_queue(dead_letter_queue(queue))
        while (message := await resting.get(fail=False)) is not None:
            deaths: Any = message.headers.get("x-death", [{}])
            found.setdefault(str(RunMessage.decode(message.body).run_id), []).append(deaths[0])
        return found

    return _on_channel(url, look)


def _on_channel(url: str, use: Callable[[AbstractChannel], Coroutine[Any, Any, T]]) -> T:
    async def connected() -> T:
        async with await aio_pika.connect(url, timeout=5) as connection, connection.channel() as channel:
            return await use(channel)

    return asyncio.run(connected())
