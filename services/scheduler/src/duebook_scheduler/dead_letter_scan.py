"""Scanning a dead-letter queue: obsolete messages are removed, the others keep their order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import dead_letter_queue, declare_work
from duebook_common.runtime.loops import wait_until_set

log = structlog.stdlib.get_logger("dead_letter_scan")

FindObsolete = Callable[[Sequence[bytes]], Awaitable[Sequence[bool]]]

_SLICE, _MOST = 500, 200_000  # messages
_QUIET_SECONDS = 1.0


async def scan(publisher: Publisher, queue: str, find_obsolete: FindObsolete) -> None:
    """Remove the messages that `find_obsolete` marks by their bodies, one slice of the queue at a time.

    A channel of its own holds each slice to the end, so that no message is delivered twice. Closing the channels, the
    first one first, puts the remaining messages back in their order. Raises BROKER_ERRORS.
    """
    left = await _count(publisher, queue)
    if left > _MOST:
        log.warning("dead-letter queue too long; only its first messages are scanned", queue=queue, length=left)
    left, channels = min(left, _MOST), list[AbstractChannel]()
    try:
        while left > 0:
            channels.append(await publisher.extra_channel())
            wanted = min(left, _SLICE)
            messages = await _take(channels[-1], queue, wanted)
            obsolete = await find_obsolete([message.body for message in messages])
            for message in (message for message, is_obsolete in zip(messages, obsolete, strict=True) if is_obsolete):
                await message.ack()
            left = left - wanted if len(messages) == wanted else 0  # fewer came: another consumer has the rest
    finally:
        for channel in channels:
            await channel.close()


async def _count(publisher: Publisher, queue: str) -> int:
    channel = await publisher.extra_channel()
    try:
        await declare_work(channel, queue)
        dead_letters = await channel.declare_queue(dead_letter_queue(queue), passive=True)
        return dead_letters.declaration_result.message_count or 0
    finally:
        await channel.close()


async def _take(channel: AbstractChannel, queue: str, count: int) -> list[AbstractIncomingMessage]:
    """The next `count` messages, unacknowledged; fewer if no more arrive within a second."""
    await channel.set_qos(prefetch_count=count)
    dead_letters = await channel.get_queue(dead_letter_queue(queue), ensure=False)
    taken, complete = list[AbstractIncomingMessage](), asyncio.Event()

    async def take(message: AbstractIncomingMessage) -> None:
        taken.append(message)
        if len(taken) == count:
            complete.set()

    tag, before = await dead_letters.consume(take), -1
    while not complete.is_set() and len(taken) > before:
        before = len(taken)
        await wait_until_set(complete, _QUIET_SECONDS)
    await dead_letters.cancel(tag)
    return taken
