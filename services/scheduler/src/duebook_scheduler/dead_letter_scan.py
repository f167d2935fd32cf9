"""Looking through a dead-letter queue: what is over is taken out, and the rest goes back to its place."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import dead_letter_queue, declare_work
from duebook_common.runtime.loops import wait_until_set

log = structlog.stdlib.get_logger("sweep")

Over = Callable[[Sequence[bytes]], Awaitable[Sequence[bool]]]

_SLICE, _MOST = 500, 200_000
_QUIET_SECONDS = 1.0


async def look_through(publisher: Publisher, queue: str, over: Over) -> None:
    """Ask for the body of each message whether it is over, a slice at a time; raises what the broker raises.

    Each slice is held by a channel of its own to the end, so nothing is seen twice; closing them, the first one first,
    gives back what rests in its order.
    """
    left = await _waiting(publisher, queue)
    if left > _MOST:
        log.warning("not all dead letters are looked at", queue=queue, waiting=left, looked_at=_MOST)
    left, holding = min(left, _MOST), list[AbstractChannel]()
    try:
        while left > 0:
            holding.append(await publisher.extra_channel())
            wanted = min(left, _SLICE)
            messages = await _take(holding[-1], queue, wanted)
            answers = await over([message.body for message in messages])
            for message in (message for message, is_over in zip(messages, answers, strict=True) if is_over):
                await message.ack()
            left = left - wanted if len(messages) == wanted else 0  # else somebody took the rest away
    finally:
        for channel in holding:
            await channel.close()


async def _waiting(publisher: Publisher, queue: str) -> int:
    channel = await publisher.extra_channel()
    try:
        await declare_work(channel, queue)
        resting = await channel.declare_queue(dead_letter_queue(queue), passive=True)
        return resting.declaration_result.message_count or 0
    finally:
        await channel.close()


async def _take(channel: AbstractChannel, queue: str, count: int) -> list[AbstractIncomingMessage]:
    """The next messages, that many or as many as come; they stay unacknowledged."""
    await channel.set_qos(prefetch_count=count)
    resting = await channel.get_queue(dead_letter_queue(queue), ensure=False)
    taken, full = list[AbstractIncomingMessage](), asyncio.Event()

    async def take(message: AbstractIncomingMessage) -> None:
        taken.append(message)
        if len(taken) == count:
            full.set()

    tag, before = await resting.consume(take), -1
    while not full.is_set() and len(taken) > before:
        before = len(taken)
        await wait_until_set(full, _QUIET_SECONDS)
    await resting.cancel(tag)
    return taken
