"""RabbitMQ as an operator uses it: look into dead-letter queues and publish arbitrary messages."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, HeadersType

from duebook_common.broker.messages import RunMessage
from duebook_common.broker.topology import RUNS, dead_letter_queue

T = TypeVar("T")


def dead_letters(url: str, queue: str = "default") -> dict[str, list[dict[str, Any]]]:
    """The newest `x-death` of each message in the dead-letter queue, by run id. The messages stay in the queue."""

    async def look(channel: AbstractChannel) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        source = await channel.get_queue(dead_letter_queue(queue))
        while (message := await source.get(fail=False)) is not None:
            deaths: Any = message.headers.get("x-death", [{}])
            found.setdefault(str(RunMessage.decode(message.body).run_id), []).append(deaths[0])
        return found

    return on_channel(url, look)


def publish(url: str, queue: str, *bodies: bytes, headers: HeadersType | None = None, **properties: Any) -> None:
    """Publish messages with these bodies to a work queue."""

    async def put(channel: AbstractChannel) -> None:
        exchange = await channel.get_exchange(RUNS)
        for body in bodies:
            await exchange.publish(aio_pika.Message(body, headers=headers, delivery_mode=2, **properties), queue)

    on_channel(url, put)


def on_channel(url: str, use: Callable[[AbstractChannel], Coroutine[Any, Any, T]]) -> T:
    """Call `use` with a channel; unacknowledged messages return to their queues when it closes."""

    async def connected() -> T:
        async with await aio_pika.connect(url, timeout=60) as connection, connection.channel() as channel:
            return await use(channel)

    return asyncio.run(connected())
