"""Publishing with confirms: many messages in one write, each with a confirm of its own.

A publisher has a connection that consumes nothing: an error on a channel would also cancel the channel's consumers.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import cast
from uuid import uuid4

import aiormq
from aio_pika.abc import AbstractChannel, AbstractRobustChannel, AbstractRobustConnection
from aiormq.abc import ChannelFrame

from duebook_common.broker.frames import OutgoingMessage, encode_message
from duebook_common.broker.topology import BROKER_ERRORS

_MOST_IN_FLIGHT = 1000
_CLOSING_SECONDS = 1.0

_Confirm = asyncio.Future[object]


class Publisher:
    """Publishes messages and reports for each whether the broker confirmed it. `timeout` is in seconds."""

    def __init__(self, connection: AbstractRobustConnection, timeout: float = 5.0) -> None:
        self._connection, self._timeout = connection, timeout
        self._channel: AbstractRobustChannel | None = None
        self._channel_lock = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    async def channel(self) -> AbstractRobustChannel:
        """The publishing channel; opened again if the last one was closed."""
        async with self._channel_lock:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            return self._channel

    async def extra_channel(self) -> AbstractChannel:
        """A channel for other work than publishing; the caller closes it."""
        return await self._connection.channel()

    @property
    def connected(self) -> bool:
        """Whether the connection is open, as far as this side knows."""
        return not self._connection.is_closed and self._connection.connected.is_set()

    async def publish(self, messages: Sequence[OutgoingMessage]) -> list[BaseException | None]:
        """Publish all, at most a thousand in flight. Returns for each None, or why it may not have arrived."""
        results: list[BaseException | None] = []
        for start in range(0, len(messages), _MOST_IN_FLIGHT):
            results += await self._publish(messages[start : start + _MOST_IN_FLIGHT])
        return results

    async def _publish(self, messages: Sequence[OutgoingMessage]) -> list[BaseException | None]:
        try:
            async with asyncio.timeout(self._timeout):
                channel = await self.channel()
                underlay = cast(aiormq.Channel, await channel.get_underlay_channel())
            errors = await _send(underlay, messages, self._timeout)
        except BROKER_ERRORS as error:
            return [error] * len(messages)
        if any(isinstance(error, TimeoutError) for error in errors):
            self._leave(channel)
        return errors

    def _leave(self, channel: AbstractRobustChannel) -> None:
        """Publish what follows on another channel: on one, RabbitMQ may hold up all messages for a broken queue."""
        if channel is self._channel:
            self._channel = None
            leaving = asyncio.create_task(self._close(channel))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _close(self, channel: AbstractRobustChannel) -> None:
        """Close the channel once all that it was given has been confirmed, or has waited long enough for that."""
        await asyncio.sleep(self._timeout)
        with suppress(*BROKER_ERRORS):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await channel.close()


async def _send(
    channel: aiormq.Channel, messages: Sequence[OutgoingMessage], seconds: float
) -> list[BaseException | None]:
    """Write all messages at once, then wait for the confirm of each, at most so many seconds for all.

    A queue that does not confirm fails its own messages only.
    """
    ids = [message.message_id or uuid4().hex for message in messages]
    number, size = channel.number, channel.max_content_size
    payload = b"".join(
        part for message, id_ in zip(messages, ids, strict=True) for part in encode_message(number, size, message, id_)
    )
    confirms: list[_Confirm] = [asyncio.get_running_loop().create_future() for _ in messages]
    closing = channel.closing
    closing.add_done_callback(lambda _: _fail(confirms))
    try:
        async with asyncio.timeout(seconds), channel.lock:
            with _expect_confirms(channel, confirms) as first:
                await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False))
        tags = {id_: tag for tag, id_ in enumerate(ids, first) if messages[tag - first].mandatory}
        with _expect_returns(channel, tags):
            await _wait(confirms, seconds)
            return [_error_of(confirm) for confirm in confirms]
    finally:
        closing.cancel()
        for confirm in confirms:
            confirm.cancel()


@contextmanager
def _expect_confirms(channel: aiormq.Channel, confirms: Sequence[_Confirm]) -> Iterator[int]:
    """Register the confirms under the delivery tags that the broker will count; yields the first tag.

    If the block raises, nothing was written, and the tags are used again.
    """
    first = channel.delivery_tag + 1
    channel.delivery_tag += len(confirms)
    channel.confirmations.update(enumerate(confirms, first))
    try:
        yield first
    except BaseException:
        channel.delivery_tag = first - 1
        for tag, _ in enumerate(confirms, first):
            channel.confirmations.pop(tag, None)
        raise


@contextmanager
def _expect_returns(channel: aiormq.Channel, tags: Mapping[str, int]) -> Iterator[None]:
    """Register delivery tags by message id: the library needs them to match messages that the broker returns."""
    channel.message_id_delivery_tag.update(tags)
    try:
        yield
    finally:
        for id_, tag in tags.items():
            if channel.message_id_delivery_tag.get(id_) == tag:
                del channel.message_id_delivery_tag[id_]


def _fail(confirms: Sequence[_Confirm]) -> None:
    for confirm in confirms:
        if not confirm.done():
            confirm.set_exception(ConnectionError("the channel was closed before the broker confirmed the message"))


async def _wait(confirms: Sequence[_Confirm], seconds: float) -> None:
    """Wait until all confirms have a result, at most so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for confirm in confirms:
                with suppress(Exception):
                    await confirm


def _error_of(confirm: _Confirm) -> BaseException | None:
    if not confirm.done() or confirm.cancelled():
        return TimeoutError("the broker did not confirm the message in time")
    return confirm.exception()
