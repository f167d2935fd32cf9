"""Publish to and read from queues on an open channel."""

import asyncio
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pamqp.commands import Basic

from duebook_common.broker.topology import RUNS


async def put(channel: AbstractChannel, name: str, *bodies: bytes, **properties: Any) -> None:
    exchange = await channel.get_exchange(RUNS)
    for body in bodies:
        confirm = await exchange.publish(aio_pika.Message(body, delivery_mode=2, **properties), name)
        assert isinstance(confirm, Basic.Ack)


async def take(channel: AbstractChannel, queue: str, seconds: float = 60) -> AbstractIncomingMessage:
    """Wait for the next message; it stays unacknowledged."""
    source = await channel.get_queue(queue, ensure=False)
    async with asyncio.timeout(seconds):
        while (message := await source.get(fail=False)) is None:
            await asyncio.sleep(0.02)
    return message


async def take_all(channel: AbstractChannel, queue: str, count: int) -> list[AbstractIncomingMessage]:
    return [await take(channel, queue) for _ in range(count)]


async def second_channel(channel: AbstractChannel) -> AbstractChannel:
    """Another channel of the same connection."""
    connection: Any = channel._connection  # type: ignore[attr-defined]
    opened: AbstractChannel = await connection.channel()
    return opened
