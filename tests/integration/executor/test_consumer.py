"""Consuming survives lost connections and deleted queues, and so does the handling of a delivery."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast
from uuid import uuid4

import aio_pika
import aiormq
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import PublishError

from duebook_common.broker.messages import RunMessage
from duebook_common.broker.topology import RUNS, dead_letter_queue, work_queue
from duebook_executor import consumer
from duebook_executor.acknowledgements import Settlement
from duebook_executor.consumer import Consumer
from support.bookkeeping import eventually

_QUEUE = "default"


class Worker:
    """Receives messages, and acknowledges them once the test allows it."""

    def __init__(self, url: str, concurrency: int = 10) -> None:
        self.received, self.ended, self.may_end = list[RunMessage](), list[RunMessage](), asyncio.Event()
        self.consumer = Consumer(url, [_QUEUE], concurrency, self._receive)

    async def _receive(self, message: RunMessage, *, from_dead_letters: bool) -> Settlement:
        assert not from_dead_letters
        self.received.append(message)
        await self.may_end.wait()
        self.ended.append(message)
        return Settlement.ACK

    async def is_consuming(self) -> bool:
        try:
            async with asyncio.timeout(1):
                await self.consumer.check()
        except (ConnectionError, TimeoutError):
            return False
        return True

    async def cut_connection(self) -> None:
        """Break the connection as the network would."""
        connection = cast(Any, self.consumer)._connection
        await cast(aiormq.Connection, connection.transport.connection).close(ConnectionError("cut"))


@pytest.fixture
async def channel(rabbitmq_url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)


@pytest.fixture
async def worker(rabbitmq_url: str, channel: AbstractChannel) -> AsyncIterator[Worker]:
    worker = Worker(rabbitmq_url)
    await worker.consumer.start()
    yield worker
    worker.may_end.set()
    await worker.consumer.stop_consuming()
    await worker.consumer.close()


async def publish(channel: AbstractChannel, body: bytes) -> None:
    exchange = await channel.get_exchange(RUNS)
    await exchange.publish(aio_pika.Message(body), _QUEUE)


async def ready_messages(channel: AbstractChannel, queue: str) -> int | None:
    declared = await channel.declare_queue(queue, passive=True)
    return declared.declaration_result.message_count


def has_length(messages: list[RunMessage], length: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return len(messages) == length

    return holds


async def test_an_unreadable_message_is_rejected_and_holds_no_slot(channel: AbstractChannel, worker: Worker) -> None:
    for _ in range(30):  # more than the worker's prefetch
        await publish(channel, b"{")
    message = RunMessage(uuid4(), 1)
    await publish(channel, message.encode())
    await eventually(has_length(worker.received, 1))
    assert worker.received == [message]

    async def rejected() -> bool:
        return await ready_messages(channel, dead_letter_queue(_QUEUE)) == 30

    await eventually(rejected)


async def test_the_handling_of_a_delivery_outlives_its_connection(channel: AbstractChannel, worker: Worker) -> None:
    await publish(channel, RunMessage(uuid4(), 1).encode())
    await eventually(has_length(worker.received, 1))
    await worker.cut_connection()
    await eventually(worker.is_consuming)
    await eventually(has_length(worker.received, 2))  # the redelivery
    assert worker.ended == []
    worker.may_end.set()
    await eventually(has_length(worker.ended, 2))
    await worker.consumer.stop_consuming()
    await worker.consumer.close()
    ready = await ready_messages(channel, work_queue(_QUEUE))
    assert ready == 0, "the redelivery must be acknowledged; the first delivery cannot be"


async def test_a_deleted_queue_is_declared_and_consumed_again(channel: AbstractChannel, worker: Worker) -> None:
    await channel.queue_delete(work_queue(_QUEUE))

    async def routed() -> bool:
        try:
            await publish(channel, RunMessage(uuid4(), 1).encode())
        except PublishError:
            return False
        return True

    await eventually(routed)
    await eventually(has_length(worker.received, 1))
    await eventually(worker.is_consuming)


async def test_a_stopped_consumer_receives_no_more_and_can_still_settle(
    channel: AbstractChannel, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "_LAST_SETTLEMENTS_SECONDS", 60)
    await publish(channel, RunMessage(uuid4(), 1).encode())
    await eventually(has_length(worker.received, 1))
    await worker.consumer.stop_consuming()
    await publish(channel, RunMessage(uuid4(), 1).encode())
    closing = asyncio.create_task(worker.consumer.close())
    await asyncio.sleep(0.1)  # closing waits for the last settlements
    worker.may_end.set()
    await closing
    assert (len(worker.received), len(worker.ended)) == (1, 1)
    assert await ready_messages(channel, work_queue(_QUEUE)) == 1
