"""Publishing that is known to have arrived: many messages in one write, each with a confirm of its own.

It has a connection of its own: a channel error on a consuming one would cancel its handlers. The client library
writes one message at a time, with a task and half a dozen objects for each; for hundreds at once that is most of
the work, so here their frames are put together and handed to its writer as one.
"""

import asyncio
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from uuid import uuid4

import aiormq
from aio_pika.abc import AbstractChannel, AbstractRobustChannel, AbstractRobustConnection
from aiormq.abc import ChannelFrame
from pamqp import encode, frame
from pamqp.commands import Basic
from pamqp.common import FieldTable
from pamqp.constants import FRAME_BODY, FRAME_END_CHAR, FRAME_HEADER

from duebook_common.broker.topology import BROKER_ERRORS, declare_work, work_arguments, work_queue

_IN_FLIGHT = 1000

# A content header: frame type, channel, length, class `basic`, weight, size of the body, which properties follow.
_FRAME, _HEADER = struct.Struct(">BHI"), struct.Struct(">BHIHHQH")
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _MESSAGE_ID = 1 << 15, 1 << 13, 1 << 12, 1 << 7
_JSON, _PERSISTENT = encode.short_string("application/json"), b"\x02"


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message and where it goes. `mandatory`: it must reach a queue."""

    exchange: str
    routing_key: str
    body: bytes
    headers: FieldTable | None = None
    message_id: str | None = None
    mandatory: bool = True
    bcc: str | None = None  # a second routing key, which nobody who receives the message sees


class Publisher:
    """Publishes with confirms, many in flight, each known to have arrived or told why not."""

    def __init__(self, connection: AbstractRobustConnection, timeout: float = 5.0) -> None:
        self._connection, self._timeout = connection, timeout
        self._channel: AbstractRobustChannel | None = None
        self._opening = asyncio.Lock()
        self._queues: set[str] = set()

    async def channel(self) -> AbstractRobustChannel:
        """The publishing channel, opened anew where the last one broke."""
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            return self._channel

    async def extra_channel(self) -> AbstractChannel:
        """A channel for other work than publishing; whoever asks closes it."""
        return await self._connection.channel()

    @property
    def connected(self) -> bool:
        """Whether the connection stands right now, as far as this side knows."""
        return not self._connection.is_closed and self._connection.connected.is_set()

    async def ensure_work(self, queues: Iterable[str]) -> BaseException | None:
        """Declare queues that this publisher has not seen yet: one without an executor must still exist.

        Returns why that failed, where it did.
        """
        try:
            async with asyncio.timeout(self._timeout):
                for queue in set(queues) - self._queues:
                    await declare_work(await self.channel(), queue)
                    self._queues.add(queue)
        except BROKER_ERRORS as error:
            return error
        return None

    async def waiting_messages(self, queue: str) -> int | None:
        """How many messages are ready in a work queue, as the broker last counted; None where it cannot say."""
        try:
            async with asyncio.timeout(self._timeout):
                channel, arguments = await self.channel(), work_arguments(queue)
                # A robust one would be declared again after each reconnect, as often as it was asked for.
                asked = await channel.declare_queue(work_queue(queue), durable=True, arguments=arguments, robust=False)
                return asked.declaration_result.message_count
        except BROKER_ERRORS:
            return None

    def forget_queues(self) -> None:
        """After a broker lost its data what was declared has to be declared again."""
        self._queues.clear()

    async def publish(self, messages: Sequence[OutgoingMessage]) -> list[BaseException | None]:
        """Publish all, at most a thousand in flight; an answer for each: None, or why its arrival is not known."""
        answers: list[BaseException | None] = []
        for start in range(0, len(messages), _IN_FLIGHT):
            answers += await self._publish(messages[start : start + _IN_FLIGHT])
        return answers

    async def _publish(self, messages: Sequence[OutgoingMessage]) -> list[BaseException | None]:
        try:
            async with asyncio.timeout(self._timeout):
                channel = cast(aiormq.Channel, await (await self.channel()).get_underlay_channel())
                return await _send(channel, messages)
        except BROKER_ERRORS as error:
            return [error] * len(messages)


_Confirm = asyncio.Future[object]


async def _send(channel: aiormq.Channel, messages: Sequence[OutgoingMessage]) -> list[BaseException | None]:
    """One write for all, then the confirm of each."""
    ids = [message.message_id or uuid4().hex for message in messages]
    payload = b"".join(part for m, id_ in zip(messages, ids, strict=True) for part in frames(channel, m, id_))
    confirms: list[_Confirm] = [asyncio.get_running_loop().create_future() for _ in messages]
    closing = channel.closing
    closing.add_done_callback(lambda _: _give_up(confirms))
    try:
        async with channel.lock:
            with _numbered(channel, confirms) as first:
                await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False))
        with _returnable(channel, {id_: tag for tag, id_ in enumerate(ids, first) if messages[tag - first].mandatory}):
            return [await _answer(confirm) for confirm in confirms]
    finally:
        closing.cancel()
        for confirm in confirms:
            confirm.cancel()


@contextmanager
def _numbered(channel: aiormq.Channel, confirms: Sequence[_Confirm]) -> Iterator[int]:
    """Number what is written inside as the broker will, for the library to find whose confirm has come."""
    first = channel.delivery_tag + 1
    channel.delivery_tag += len(confirms)
    channel.confirmations.update(enumerate(confirms, first))
    try:
        yield first
    except BaseException:
        channel.delivery_tag = first - 1  # nothing was written: the numbers come again
        for number, _ in enumerate(confirms, first):
            channel.confirmations.pop(number, None)
        raise


@contextmanager
def _returnable(channel: aiormq.Channel, numbers: Mapping[str, int]) -> Iterator[None]:
    """For the library to find, by its id, which message has come back because no queue wanted it."""
    channel.message_id_delivery_tag.update(numbers)
    try:
        yield
    finally:
        for id_, number in numbers.items():
            if channel.message_id_delivery_tag.get(id_) == number:
                del channel.message_id_delivery_tag[id_]


def _give_up(confirms: Sequence[_Confirm]) -> None:
    for confirm in confirms:
        if not confirm.done():
            confirm.set_exception(ConnectionError("the channel was lost under a confirm"))


async def _answer(confirm: _Confirm) -> BaseException | None:
    try:
        await confirm
    except Exception as error:
        return error
    return None


def frames(channel: aiormq.Channel, message: OutgoingMessage, id_: str) -> Iterator[bytes]:
    """The message as AMQP 0-9-1 has it: the method, the content's header, the content."""
    yield _method(channel.number, message.exchange, message.routing_key, message.mandatory)
    yield _header(channel.number, message, id_)
    body, most = message.body, channel.max_content_size
    for start in range(0, len(body), most):
        part = body[start : start + most]
        yield _FRAME.pack(FRAME_BODY, channel.number, len(part)) + part + FRAME_END_CHAR


@lru_cache(1000)
def _method(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    return frame.marshal(Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory), channel)


def _header(channel: int, message: OutgoingMessage, id_: str) -> bytes:
    table = _table(message)
    flags = _CONTENT_TYPE | (_HEADERS if table else 0) | _DELIVERY_MODE | _MESSAGE_ID
    properties = _JSON + table + _PERSISTENT + encode.short_string(id_)
    size = _HEADER.size - _FRAME.size + len(properties)
    head = _HEADER.pack(FRAME_HEADER, channel, size, Basic.frame_id, 0, len(message.body), flags)
    return head + properties + FRAME_END_CHAR


def _table(message: OutgoingMessage) -> bytes:
    """The headers; `BCC` is how RabbitMQ is told of further routing keys that nobody is to see."""
    if message.headers is None:
        return _copy(message.bcc) if message.bcc else b""
    copy: FieldTable = {"BCC": [message.bcc]} if message.bcc else {}
    return encode.field_table({**message.headers, **copy})


@lru_cache(100)
def _copy(routing_key: str) -> bytes:
    return encode.field_table({"BCC": [routing_key]})
