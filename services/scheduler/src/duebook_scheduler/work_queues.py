"""The work queues in RabbitMQ: declared, counted, renewed and removed over a connection of their own.

A question that the broker does not answer in time leaves its channel in an unknown state, and an error inside a queue
can end the whole connection. Neither may concern the messages that are published meanwhile.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractChannel, AbstractRobustConnection
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError
from aiormq.exceptions import ChannelLockedResource
from pamqp.common import FieldTable

from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import (
    BROKER_ERRORS,
    RUNS,
    dead_letter_queue,
    declare_work,
    presence_queue,
    work_arguments,
    work_queue,
)

log = structlog.stdlib.get_logger("work_queues")

_CLOSING_SECONDS, _COUNTING_SECONDS = 1.0, 2.0
_DELETING_SECONDS = 15.0  # RabbitMQ waits 5 s for a queue without leader before it deletes it by force
_LAST_CHANCE_SECONDS = 15.0  # for a queue that is only slow

_PROBE: FieldTable = {"x-queue-type": "quorum", "x-expires": 60_000}


class NotConfirmed(Exception):
    """The queue does not confirm messages, although it is not full."""


class WorkQueues:
    """Each call opens a channel and closes it. `timeout` is in seconds."""

    def __init__(self, connection: AbstractRobustConnection, timeout: float = 5.0) -> None:
        self._connection, self._timeout = connection, timeout
        self._publisher = Publisher(connection, timeout)

    @property
    def connected(self) -> bool:
        return self._publisher.connected

    async def declare(self, queue: str, seconds: float | None = None) -> None:
        """Declare a work queue with its dead-letter queue, within `seconds` if given. Raises BROKER_ERRORS."""
        async with self._channel(seconds or self._timeout) as channel:
            await declare_work(channel, queue)

    async def publish(self, messages: Sequence[OutgoingMessage]) -> list[BaseException | None]:
        """Publish to queues that may not confirm; returns for each message None, or why it may not have arrived."""
        return await self._publisher.publish(messages)

    async def ready_messages(self, queues: Iterable[str]) -> dict[str, int]:
        """The number of ready messages in each queue, as far as the broker answers within two seconds.

        Declares the queue first, so one that the broker lost counts as empty. Asks in random order, because a queue
        that does not answer keeps those behind it from being asked.
        """
        counts: dict[str, int] = {}
        with suppress(*BROKER_ERRORS):
            async with self._channel(_COUNTING_SECONDS) as channel:
                for queue in random.sample(wanted := list(queues), len(wanted)):
                    declared = await channel.declare_queue(
                        work_queue(queue), durable=True, arguments=work_arguments(queue)
                    )
                    counts[queue] = declared.declaration_result.message_count or 0
        return counts

    async def cause(self, queue: str, error: BaseException) -> BaseException:
        """Why the queue did not take a message: NotConfirmed, unless the error says more, or the queue may be full."""
        if isinstance(error, PublishError) or not isinstance(error, DeliveryError | TimeoutError):
            return error
        full = isinstance(error, DeliveryError) and (await self.ready_messages([queue])).get(queue) != 0
        return error if full else NotConfirmed(repr(error))

    async def is_connected(self, executor: str) -> bool | None:
        """Whether the executor is connected to the broker; None if the broker does not answer."""
        try:
            async with self._channel(_COUNTING_SECONDS) as channel:
                await channel.declare_queue(presence_queue(executor), passive=True)
        except ChannelLockedResource:
            return True
        except ChannelNotFoundEntity:
            return False
        except BROKER_ERRORS:
            return None
        return True

    async def renew(self, queue: str, *, unconfirmed: bool) -> None:
        """Delete a silent queue and declare it again: its runs are in the database, and are sent again.

        One that was only not declared in time, and not `unconfirmed`, is kept if it answers within 15 s now.

        RabbitMQ 3.10 that is killed right after a queue was first declared may come back with a queue without leader,
        which takes messages and neither confirms nor delivers them. Raises BROKER_ERRORS, also if a new queue does not
        confirm either: then the broker is slow, and not the queue.
        """
        await self._must_confirm()
        if not unconfirmed:
            with suppress(TimeoutError):
                return await self.declare(queue, _LAST_CHANCE_SECONDS)
        log.warning("work queue is silent; it is deleted and declared again", queue=queue)
        async with self._channel(_DELETING_SECONDS) as channel:
            await channel.queue_delete(work_queue(queue))
        return await self.declare(queue)

    async def _must_confirm(self) -> None:
        """Raise one of BROKER_ERRORS if a new queue of the same kind confirms no message."""
        async with self._channel(self._timeout) as channel:
            probe = await channel.declare_queue(f"duebook.probe.{uuid4().hex}", durable=True, arguments=_PROBE)
            try:
                [error] = await self.publish([OutgoingMessage("", probe.name, b"{}")])
                if error is not None:
                    raise error
            finally:
                await channel.queue_delete(probe.name)

    async def remove_idle(self, queue: str) -> bool:
        """Remove a work queue and its dead-letter queue if both are without messages and consumers.

        The binding goes first: a message that is published meanwhile comes back, and its sender declares the queue
        again. Returns whether the queue is gone. Raises BROKER_ERRORS.
        """
        names = work_queue(queue), dead_letter_queue(queue)
        for name in names:
            if not await self._is_empty(name):
                return False
        async with self._channel(_DELETING_SECONDS) as channel:
            await (await channel.get_queue(names[0], ensure=False)).unbind(RUNS, queue)
        if not await self._is_empty(names[0]):
            await self.declare(queue)
            return False
        async with self._channel(_DELETING_SECONDS) as channel:
            for name in names:
                await channel.queue_delete(name)
        return True

    async def _is_empty(self, name: str) -> bool:
        """Whether the queue has neither messages nor consumers, by the broker's latest count, or does not exist."""
        try:
            async with self._channel(self._timeout) as channel:
                found = (await channel.declare_queue(name, passive=True)).declaration_result
        except ChannelNotFoundEntity:
            return True
        return not found.message_count and not found.consumer_count

    @asynccontextmanager
    async def _channel(self, seconds: float) -> AsyncIterator[AbstractChannel]:
        """A channel for work that ends within so many seconds, or raises TimeoutError."""
        async with asyncio.timeout(seconds):
            channel = await self._connection.channel(publisher_confirms=False)
            try:
                yield channel
            finally:
                await _close(channel)


async def _close(channel: AbstractChannel) -> None:
    """Close the channel; give up after a second, because it may wait for a queue that does not answer."""
    with suppress(*BROKER_ERRORS):
        async with asyncio.timeout(_CLOSING_SECONDS):
            await channel.close()
