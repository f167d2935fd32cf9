"""RabbitMQ of the local stack: restart, wipe and virtual hosts."""

import asyncio

import aio_pika
import pytest

from duebook_devstack.rabbitmq import RabbitMQ


async def test_a_quorum_queue_survives_a_restart_and_not_a_wipe(private_rabbitmq: RabbitMQ) -> None:
    await declare(private_rabbitmq.url, passive=False)
    await asyncio.to_thread(private_rabbitmq.restart)
    await declare(private_rabbitmq.url, passive=True)
    await asyncio.to_thread(private_rabbitmq.wipe)
    with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
        await declare(private_rabbitmq.url, passive=True)


async def test_each_test_has_a_virtual_host_of_its_own(rabbitmq_url: str) -> None:
    await declare(rabbitmq_url, passive=False)


async def declare(url: str, *, passive: bool) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("q", durable=True, passive=passive, arguments={"x-queue-type": "quorum"})
