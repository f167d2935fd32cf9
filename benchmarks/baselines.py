"""Raw figures of the same servers in the same run: what is there to be had without a scheduler."""

import asyncio
import time
from uuid import uuid4

import asyncpg
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitMessage, RabbitQueue

from duebook_common.broker import topology
from duebook_common.broker.publisher import OutgoingMessage, Publisher


async def unnest_rows(url: str, batches: int = 20, size: int = 1000) -> float:
    """Rows per second, committed, inserted by `unnest` in batches on one connection."""
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
    """Messages per second, persistent and confirmed, into a quorum queue."""
    connection = await topology.connect(url, "bench")
    async with connection:
        publisher = Publisher(connection)
        await publisher.ensure_work({"bench"})
        messages = [OutgoingMessage(topology.RUNS, "bench", b'{"v":0}') for _ in range(count)]
        start = time.perf_counter()
        answers = await publisher.publish(messages)
        elapsed = time.perf_counter() - start
        assert not any(answers), answers
        return count / elapsed


async def empty_handler(url: str, count: int = 5000) -> float:
    """Messages per second through a FastStream handler that only acknowledges; empties the queue filled before."""
    broker = RabbitBroker(url, logger=None, apply_types=False)
    seen, done = 0, asyncio.Event()
    queue = RabbitQueue(topology.work_queue("bench"), queue_type=QueueType.QUORUM, declare=False, routing_key="bench")

    @broker.subscriber(
        queue, channel=Channel(prefetch_count=100), ack_policy=AckPolicy.MANUAL, no_reply=True, decoder=_raw
    )
    async def handle(message: RabbitMessage) -> None:
        nonlocal seen
        await message.ack()
        seen += 1
        if seen == count:
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
