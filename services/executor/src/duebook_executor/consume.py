"""Consuming work queues with FastStream: one channel for each queue, every delivery settled by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

import aiormq
import structlog
from aio_pika import IncomingMessage
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from faststream.rabbit.schemas.queue import QuorumQueueArgs
from yarl import URL

from duebook_common.messaging import (
    BROKER_ERRORS,
    RUNS,
    MessageUnreadable,
    RunMessage,
    declare_work,
    work_arguments,
    work_queue,
)
from duebook_common.telemetry import DELIVERIES
from duebook_executor.deliveries import Stopping
from duebook_executor.settling import Settle, Settling

log = structlog.stdlib.get_logger("consume")

Receive = Callable[..., Awaitable[Settle]]


class Consumer:
    """The executor's ear on RabbitMQ."""

    def __init__(self, url: str, queues: Sequence[str], concurrency: int, receive: Receive) -> None:
        self._queues, self._receive = queues, receive
        self._settling: WeakKeyDictionary[aiormq.Channel, Settling] = WeakKeyDictionary()
        self._broker = RabbitBroker(
            str(URL(url).update_query(heartbeat=10)),  # a silent peer is noticed within half a minute
            timeout=10,
            reconnect_interval=1.0,
            graceful_timeout=1.0,
            ack_policy=AckPolicy.MANUAL,
            apply_types=False,
            logger=None,
            on_reconnected=[self._declare_again],
        )
        for queue in queues:
            self._subscribe(queue, concurrency)

    def _subscribe(self, queue: str, concurrency: int) -> None:
        self._broker.subscriber(
            RabbitQueue(
                work_queue(queue),
                queue_type=QueueType.QUORUM,
                routing_key=queue,
                arguments=cast(QuorumQueueArgs, work_arguments(queue)),
            ),
            RabbitExchange(RUNS, durable=True),
            channel=Channel(prefetch_count=concurrency),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_bare,
            decoder=_raw,
        )(self._handle)

    async def start(self) -> None:
        """Connect, declare, consume; a dead-letter queue stands before the queue that needs it."""
        await self._broker.connect()
        await self._declare()
        await self._broker.start()

    async def _declare(self) -> None:
        connection = await self._broker.connect()
        channel = await connection.channel()
        try:
            for queue in self._queues:
                await declare_work(channel, queue)
        finally:
            await channel.close()

    async def _declare_again(self, *_: Any) -> None:
        """A broker that comes back may have lost its data."""
        try:
            await self._declare()
        except BROKER_ERRORS as error:
            log.warning("queues not declared after a reconnect", error=repr(error))

    async def check(self) -> None:
        """Raises where no message could arrive."""
        if not await self._broker.ping(0.5):
            raise ConnectionError("no connection to RabbitMQ")
        if any(getattr(subscriber, "_consumer_tag", None) is None for subscriber in self._broker.subscribers):
            raise ConnectionError("not consuming")

    async def stop_consuming(self) -> None:
        """Close the tap: FastStream would wait for handlers first, with messages still arriving."""
        for subscriber in self._broker.subscribers:
            queue, tag = subscriber._queue_obj, subscriber._consumer_tag  # type: ignore[attr-defined]  # noqa: SLF001
            if queue is not None and tag is not None:
                try:
                    async with asyncio.timeout(5):
                        await queue.cancel(tag)
                except BROKER_ERRORS as error:
                    log.debug("consumer not cancelled", error=repr(error))
                subscriber._consumer_tag = None  # type: ignore[attr-defined]  # noqa: SLF001

    async def close(self) -> None:
        """Close the connection: what is not acknowledged goes back to its queue."""
        try:
            async with asyncio.timeout(5):
                await self._broker.stop()
        except BROKER_ERRORS as error:
            log.debug("broker not closed in order", error=repr(error))

    async def _handle(self, message: RabbitMessage) -> None:
        """Every path ends in an ack or a reject, but for our own cancellation: then the broker delivers again."""
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

    async def _settle(self, message: RabbitMessage, settle: Settle) -> None:
        channel, tag = cast(aiormq.Channel, message.raw_message.channel), message.raw_message.delivery_tag
        assert tag is not None
        settling = self._settling.get(channel) or self._settling.setdefault(channel, Settling())
        await settling.settle(channel, tag, settle)


async def _bare(message: IncomingMessage) -> RabbitMessage:
    """What we read of a delivery. FastStream's own parser would also give it ids that nobody asks for."""
    return RabbitMessage(message, body=message.body, headers=message.headers, message_id="", correlation_id="")


async def _raw(message: RabbitMessage) -> RabbitMessage:
    return message
