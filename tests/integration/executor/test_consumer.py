"""Consuming goes on through lost connections and lost queues, and what a delivery began outlives both."""

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
from duebook_executor.acknowledgements import Settlement
from duebook_executor.consumer import Consumer
from support.bookkeeping import eventually

_QUEUE = "default"


class Worker:
    """Takes what arrives, and ends it when it is let."""

    def __init__(self, url: str, concurrency: int = 10) -> None:
        self.taken, self.ended, self.may_end = list[RunMessage](), list[RunMessage](), asyncio.Event()
        self.consumer = Consumer(url, [_QUEUE], concurrency, self._receive)

    async def _receive(self, message: RunMessage, *, from_dead_letters: bool) -> Settlement:
        assert not from_dead_letters
        self.taken.append(message)
        await self.may_end.wait()
        self.ended.append(message)
        return Settlement.ACK

    async def consuming(self) -> bool:
        try:
            async with asyncio.timeout(1):
                await self.consumer.check()
        except (ConnectionError, TimeoutError):
            return False
        return True

    async def cut(self) -> None:
        """The connection breaks, as the network would have it."""
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


async def put(channel: AbstractChannel, body: bytes) -> None:
    exchange = await channel.get_exchange(RUNS)
    await exchange.publish(aio_pika.Message(body), _QUEUE)


async def ready(channel: AbstractChannel, queue: str) -> int | None:
    declared = await channel.declare_queue(queue, passive=True)
    return declared.declaration_result.message_count


def has(count: Callable[[], int], wanted: int) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        return count() == wanted

    return there


async def test_what_cannot_be_read_is_rejected_and_keeps_no_place(channel: AbstractChannel, worker: Worker) -> None:
    for _ in range(30):  # more than there are places
        await put(channel, b"{")
    message = RunMessage(uuid4(), 1)
    await put(channel, message.encode())
    await eventually(has(lambda: len(worker.taken), 1))
    assert worker.taken == [message]

    async def rejected() -> bool:
        return await ready(channel, dead_letter_queue(_QUEUE)) == 30

    await eventually(rejected)


async def test_what_a_delivery_began_outlives_its_connection(channel: AbstractChannel, worker: Worker) -> None:
    await put(channel, RunMessage(uuid4(), 1).encode())
    await eventually(has(lambda: len(worker.taken), 1))
    await worker.cut()
    await eventually(worker.consuming)
    await eventually(has(lambda: len(worker.taken), 2))  # it comes again
    assert worker.ended == []
    worker.may_end.set()
    await eventually(has(lambda: len(worker.ended), 2))
    await worker.consumer.stop_consuming()
    await worker.consumer.close()
    assert await ready(channel, work_queue(_QUEUE)) == 0, "the second was acknowledged, the first could not be"


async def test_a_queue_that_somebody_deletes_is_there_again_and_consumed(
    channel: AbstractChannel, worker: Worker
) -> None:
    await channel.queue_delete(work_queue(_QUEUE))

    async def arrived() -> bool:
        try:
            await put(channel, RunMessage(uuid4(), 1).encode())
        except PublishError:
            return False
        return True

    await eventually(arrived)
    await eventually(has(lambda: len(worker.taken), 1))
    assert await worker.consuming()


async def test_who_stopped_takes_nothing_more_and_may_still_settle(channel: AbstractChannel, worker: Worker) -> None:
    await put(channel, RunMessage(uuid4(), 1).encode())
    await eventually(has(lambda: len(worker.taken), 1))
    await worker.consumer.stop_consuming()
    await put(channel, RunMessage(uuid4(), 1).encode())
    closing = asyncio.create_task(worker.consumer.close())
    await asyncio.sleep(0.1)  # it waits a second for what is about to end
    worker.may_end.set()
    await closing
    assert (len(worker.taken), len(worker.ended)) == (1, 1)
    assert await ready(channel, work_queue(_QUEUE)) == 1
