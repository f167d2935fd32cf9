"""Consuming work queues: one channel for each queue, every delivery settled explicitly.

Consumes by aio-pika itself: FastStream's stages for each message would be a fifth of an attempt's cost here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, cast
from weakref import WeakKeyDictionary

import aiormq
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue, AbstractRobustConnection

from duebook_common.broker import topology
from duebook_common.broker.messages import MessageUnreadable, RunMessage
from duebook_common.broker.topology import BROKER_ERRORS, declare_work
from duebook_common.runtime.telemetry import DELIVERIES
from duebook_executor.acknowledgements import AckBatcher, Settlement
from duebook_executor.deliveries import ExecutorStopping

log = structlog.stdlib.get_logger("consumer")

Receive = Callable[..., Awaitable[Settlement]]

_LAST_SETTLEMENTS_SECONDS, _CLOSING_SECONDS = 1.0, 5.0
_PAUSE_AFTER_FAILURE = 1.0  # seconds


class _Subscription(NamedTuple):
    """A queue that is consumed, and the broker's tag of its consumer."""

    queue: AbstractQueue
    tag: str


class Consumer:
    """Consumes the work queues and hands each readable message to `receive`, which returns how to settle it."""

    def __init__(self, url: str, queues: Sequence[str], concurrency: int, receive: Receive) -> None:
        self._url, self._queues, self._concurrency, self._receive = url, queues, concurrency, receive
        self._connection: AbstractRobustConnection | None = None
        self._subscriptions: list[_Subscription] = []
        self._presence: tuple[AbstractChannel, aiormq.Channel] | None = None
        self._handling: set[asyncio.Task[None]] = set()
        self._acknowledgers: WeakKeyDictionary[aiormq.Channel, AckBatcher] = WeakKeyDictionary()

    async def start(self) -> None:
        """Connect, declare, consume. Raises the broker's errors; the call can then be repeated.

        The channels are robust: after a reconnect the library declares and consumes again, even if the broker has
        lost its data.
        """
        self._connection = await topology.connect(self._url, "executor")
        try:
            for name in self._queues:
                channel = await self._connection.channel(publisher_confirms=False)
                await channel.set_qos(prefetch_count=self._concurrency)
                queue = await declare_work(channel, name)
                self._subscriptions.append(_Subscription(queue, await queue.consume(self._on_message)))
        except BaseException:
            self._subscriptions.clear()
            await self.close()
            raise

    async def check(self) -> None:
        """Raise ConnectionError if one of the queues is not being consumed."""
        for queue, tag in self._subscriptions:
            channel = cast(aiormq.Channel, await queue.channel.get_underlay_channel())
            if channel.is_closed or tag not in channel.consumers:  # a channel of the last connection keeps its tags
                raise ConnectionError(f"not consuming from {queue.name}")

    async def declare_presence(self, queue: str) -> int:
        """Declare the exclusive queue by which schedulers see that this connection exists, if it is a new connection.

        Always returns 0. Not by the library, which would not reconnect while the broker still has the last connection.
        """
        assert self._connection is not None
        channel = self._presence[0] if self._presence else await self._connection.channel(publisher_confirms=False)
        try:
            current = cast(aiormq.Channel, await channel.get_underlay_channel())
            if self._presence is None or current is not self._presence[1] or current.is_closed:
                await current.queue_declare(queue, exclusive=True, timeout=_CLOSING_SECONDS)
        except BaseException:
            self._presence = None
            with suppress(*BROKER_ERRORS):
                await channel.close()
            raise
        self._presence = channel, current
        return 0

    async def stop_consuming(self) -> None:
        """Cancel the consumers; deliveries received so far can still be settled."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for queue, tag in subscriptions:
            try:
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await queue.cancel(tag)
            except BROKER_ERRORS as error:
                log.debug("consumer not cancelled", error=error)

    async def close(self) -> None:
        """Close the connection: the broker requeues what is not acknowledged."""
        if self._handling:
            await asyncio.wait(self._handling, timeout=_LAST_SETTLEMENTS_SECONDS)
        if self._connection is None:
            return
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._connection.close()
        except BROKER_ERRORS as error:
            log.debug("connection not closed in order", error=error)

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        """Handle the message in a task of our own: the library cancels its tasks when the connection is lost."""
        handling = asyncio.create_task(self._handle(message))
        self._handling.add(handling)
        handling.add_done_callback(self._on_handled)

    def _on_handled(self, handling: "asyncio.Task[None]") -> None:
        self._handling.discard(handling)
        if not handling.cancelled() and (error := handling.exception()):
            log.error("delivery not settled", error=error, exc_info=error)

    async def _handle(self, message: AbstractIncomingMessage) -> None:
        """Settle the message on every path, except when the executor stops: then the broker delivers it again."""
        try:
            decoded = RunMessage.decode(message.body)
        except MessageUnreadable as error:
            DELIVERIES.labels("unreadable").inc()
            log.warning("unreadable message rejected", error=error)
            await self._settle(message, Settlement.REJECT)
            return
        try:
            settlement = await self._receive(decoded, from_dead_letters="x-death" in message.headers)
        except ExecutorStopping:
            return
        except Exception:
            log.exception("delivery failed", run_id=str(decoded.run_id))
            await asyncio.sleep(_PAUSE_AFTER_FAILURE)  # an unknown error is likely to repeat at once
            settlement = Settlement.ACK  # the run's `wake_at` brings it back
        await self._settle(message, settlement)

    async def _settle(self, message: AbstractIncomingMessage, settlement: Settlement) -> None:
        channel, tag = cast(aiormq.Channel, message.channel), message.delivery_tag
        assert tag is not None
        acknowledger = self._acknowledgers.get(channel) or self._acknowledgers.setdefault(channel, AckBatcher())
        await acknowledger.settle(channel, tag, settlement)
