"""Consuming work queues: one channel for each queue, every delivery settled by hand.

With aio-pika itself: FastStream's stages for each message would be a fifth of all that an attempt costs here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, cast
from weakref import WeakKeyDictionary

import aiormq
import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue, AbstractRobustConnection

from duebook_common.broker import topology
from duebook_common.broker.messages import MessageUnreadable, RunMessage
from duebook_common.broker.topology import BROKER_ERRORS, declare_work
from duebook_common.runtime.telemetry import DELIVERIES
from duebook_executor.acknowledgements import AckBatcher, Settle
from duebook_executor.deliveries import Stopping

log = structlog.stdlib.get_logger("consume")

Receive = Callable[..., Awaitable[Settle]]

_LAST_SETTLEMENTS, _CLOSING = 1.0, 5.0  # seconds


class _Subscription(NamedTuple):
    """A queue that is consumed, under the tag by which the broker knows its consumer."""

    queue: AbstractQueue
    tag: str


class Consumer:
    """The executor's ear on RabbitMQ."""

    def __init__(self, url: str, queues: Sequence[str], concurrency: int, receive: Receive) -> None:
        self._url, self._queues, self._concurrency, self._receive = url, queues, concurrency, receive
        self._connection: AbstractRobustConnection | None = None
        self._taps: list[_Subscription] = []
        self._handling: set[asyncio.Task[None]] = set()
        self._settling: WeakKeyDictionary[aiormq.Channel, AckBatcher] = WeakKeyDictionary()

    async def start(self) -> None:
        """Connect, declare, consume; raises what the broker raises.

        All of it comes again with a broker that comes back, even without its data: the channels are robust.
        """
        self._connection = await topology.connect(self._url, "executor")
        for name in self._queues:
            channel = await self._connection.channel(publisher_confirms=False)
            await channel.set_qos(prefetch_count=self._concurrency)
            queue = await declare_work(channel, name)
            self._taps.append(_Subscription(queue, await queue.consume(self._take)))

    async def check(self) -> None:
        """Raises where no message could arrive."""
        for queue, tag in self._taps:
            channel = cast(aiormq.Channel, await queue.channel.get_underlay_channel())
            if channel.is_closed or tag not in channel.consumers:  # one of the connection before has them still
                raise ConnectionError(f"not consuming from {queue.name}")

    async def stop_consuming(self) -> None:
        """Close the tap; what was taken already can still be settled."""
        taps, self._taps = self._taps, []
        for queue, tag in taps:
            try:
                async with asyncio.timeout(_CLOSING):
                    await queue.cancel(tag)
            except BROKER_ERRORS as error:
                log.debug("consumer not cancelled", error=repr(error))

    async def close(self) -> None:
        """Close the connection: what is not acknowledged goes back to its queue."""
        if self._handling:
            await asyncio.wait(self._handling, timeout=_LAST_SETTLEMENTS)
        if self._connection is None:
            return
        try:
            async with asyncio.timeout(_CLOSING):
                await self._connection.close()
        except BROKER_ERRORS as error:
            log.debug("broker not closed in order", error=repr(error))

    async def _take(self, message: AbstractIncomingMessage) -> None:
        """Handle it in a task of our own: the library cancels its own with their connection."""
        handling = asyncio.create_task(self._handle(message))
        self._handling.add(handling)
        handling.add_done_callback(self._handled)

    def _handled(self, handling: "asyncio.Task[None]") -> None:
        self._handling.discard(handling)
        if not handling.cancelled() and (error := handling.exception()):
            log.error("delivery not settled", error=repr(error), exc_info=error)

    async def _handle(self, message: AbstractIncomingMessage) -> None:
        """Every path ends in an ack or a reject, but for our own end: then the broker delivers again."""
        try:
            decoded = RunMessage.decode(message.body)
        except MessageUnreadable as error:
            DELIVERIES.labels("unreadable").inc()
            log.warning("unreadable message rejected", error=str(error))
            await self._settle(message, Settle.REJECT)
            return
        try:
            settle = await self._receive(decoded, from_dead_letters="x-death" in message.headers)
        except Stopping:
            return
        except Exception:
            log.exception("delivery failed", run_id=str(decoded.run_id))
            await asyncio.sleep(1)  # whatever it is, it will not be gone at once
            await self._settle(message, Settle.ACK)  # the run's `wake_at` brings it back
            return
        await self._settle(message, settle)

    async def _settle(self, message: AbstractIncomingMessage, settle: Settle) -> None:
        channel, tag = cast(aiormq.Channel, message.channel), message.delivery_tag
        assert tag is not None
        settling = self._settling.get(channel) or self._settling.setdefault(channel, AckBatcher())
        await settling.settle(channel, tag, settle)
