"""The rates of the same servers without a scheduler, measured in the same run."""

import asyncio
import time
from uuid import uuid4

import asyncpg
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitMessage, RabbitQueue

from duebook_common.broker import topology
from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.publisher import Publisher


async def unnest_rows(url: str, batches: int = 20, size: int = 1000) -> float:
    """Rows per second that one connection inserts by `unnest`, one commit per batch."""
    db = await asyncpg.connect(url)
    try:
        await db.execute("CREATE TABLE bench_rows (id uuid PRIMARY KEY, payload text)")
        rows = [[uuid4() for _ in range(size)] for _ in range(batches)]
        start = time.perf_counter()
        for ids in rows:
            await db.execute("INSERT INTO bench_rows SELECT id, 'x' FROM unnest($1::uuid[]) AS id", ids)
        return batches * size / (time.perf_counter() - start)
    finally:
        await db.execute("DROP TABLE IF EXISTS bench_rows")
        await db.close()


async def confirmed_publishes(url: str, count: int = 5000) -> float:
    """Persistent messages per second that a quorum queue confirms."""
    connection = await topology.connect(url, "bench")
    async with connection:
        publisher = Publisher(connection)
        await topology.declare_work(await publisher.channel(), "bench")
        messages = [OutgoingMessage(topology.RUNS, "bench", b'{"v":0}') for _ in range(count)]
        start = time.perf_counter()
        errors = await publisher.publish(messages)
        elapsed = time.perf_counter() - start
        assert not any(errors), errors
        return count / elapsed


async def empty_handler(url: str, count: int = 5000) -> float:
    """Messages per second of a FastStream handler that only acknowledges. Consumes those of `confirmed_publishes`."""
    broker = RabbitBroker(url, logger=None, apply_types=False)
    received, done = 0, asyncio.Event()
    queue = RabbitQueue(topology.work_queue("bench"), queue_type=QueueType.QUORUM, declare=False, routing_key="bench")

    @broker.subscriber(
        queue, channel=Channel(prefetch_count=100), ack_policy=AckPolicy.MANUAL, no_reply=True, decoder=_raw
    )
    async def handle(message: RabbitMessage) -> None:
        nonlocal received
        await message.ack()
        received += 1
        if received == count:
            done.set()

    start = time.perf_counter()
    await broker.start()
    try:
        async with asyncio.timeout(60):
            await done.wait()
        return count / (time.perf_counter() - start)
    finally:
        await broker.stop()


async def _raw(message: RabbitMessage) -> RabbitMessage:
    return message
