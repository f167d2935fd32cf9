"""The behaviour of consumers that Duebook relies on."""

import asyncio
from typing import Any, cast

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitMessage, RabbitQueue
from faststream.rabbit.schemas.queue import QuorumQueueArgs

from duebook_common.broker.topology import dead_letter_queue, work_arguments, work_queue
from support.queues import put, second_channel, take, take_all


async def test_a_cancelled_consumer_can_acknowledge_what_it_has_received(channel: AbstractChannel, name: str) -> None:
    consuming = await second_channel(channel)
    await consuming.set_qos(prefetch_count=2)
    queue: AbstractQueue = await consuming.get_queue(work_queue(name), ensure=False)
    taken: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    tag = await queue.consume(taken.put)
    await put(channel, name, b"one", b"two")
    first, second = [await asyncio.wait_for(taken.get(), 60) for _ in range(2)]
    await queue.cancel(tag)
    await put(channel, name, b"three")
    await first.ack()
    await second.reject(requeue=False)
    third = await take(channel, work_queue(name))
    assert (third.body, third.redelivered) == (b"three", False)
    assert taken.empty()
    assert (await take(channel, dead_letter_queue(name))).body == b"two"
    await consuming.close()


async def test_faststream_does_not_acknowledge_what_it_cannot_parse(
    url: str, channel: AbstractChannel, name: str
) -> None:
    """With manual acknowledgement such a message occupies the prefetch window for good; our decoder rejects it."""
    arguments = cast(QuorumQueueArgs, work_arguments(name))
    queue = RabbitQueue(work_queue(name), queue_type=QueueType.QUORUM, arguments=arguments)
    handled: list[Any] = []
    for our_decoder in (False, True):
        broker = RabbitBroker(url, logger=None)
        subscriber = broker.subscriber(
            queue,
            channel=Channel(prefetch_count=2),
            ack_policy=AckPolicy.MANUAL,
            decoder=_undecoded if our_decoder else None,
        )
        subscriber(_reject if our_decoder else _typed(handled))
        await put(channel, name, *([] if our_decoder else [b"{", b"nonsense", b'{"n": 1}']))
        await broker.start()
        if our_decoder:
            dead = await take_all(channel, dead_letter_queue(name), 3)
            assert {m.body for m in dead} == {b"{", b"nonsense", b'{"n": 1}'}
        else:
            async with asyncio.timeout(60):  # the first two fill the window, so the third stays in the queue
                third = await take(channel, work_queue(name))
            assert (third.body, handled) == (b'{"n": 1}', [])
            await third.nack(requeue=True)
        await broker.stop()


def _typed(handled: list[Any]) -> Any:
    async def handle(body: dict[str, int]) -> None:
        handled.append(body)

    return handle


async def _reject(message: RabbitMessage) -> None:
    await message.raw_message.reject(requeue=False)


async def _undecoded(message: RabbitMessage) -> RabbitMessage:
    return message
