"""What RabbitMQ and our client of it are relied on for. Run these at each upgrade of either.

They run also against the broker that DUEBOOK_TEST_RABBITMQ_43_URL names, where one of that line is at hand.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, Self, cast
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelPreconditionFailed, DeliveryError, PublishError
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitMessage, RabbitQueue
from faststream.rabbit.schemas.queue import QuorumQueueArgs
from pamqp.commands import Basic

from duebook_common.broker import topology
from duebook_common.broker.messages import RunMessage
from duebook_common.broker.publisher import OutgoingMessage, Publisher
from duebook_common.broker.topology import (
    DEAD_LETTERS,
    RUNS,
    dead_letter_queue,
    declare_work,
    work_arguments,
    work_queue,
)
from support import servers

_OTHER = "DUEBOOK_TEST_RABBITMQ_43_URL"


@pytest.fixture(params=["ours", "4.3"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "ours":
        with servers.vhost(f"test-{uuid4().hex}") as own:
            yield own
    elif _OTHER in os.environ:
        yield os.environ[_OTHER]
    else:
        pytest.skip(f"{_OTHER} is not set")


@pytest.fixture
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url, timeout=10) as connection:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)


@pytest.fixture
async def name(channel: AbstractChannel) -> AsyncIterator[str]:
    """A queue's name as users know it; its two queues are declared, and removed in the end."""
    name = f"test-{uuid4().hex[:12]}"
    await declare_work(channel, name)
    yield name
    if not channel.is_closed:
        await channel.queue_delete(work_queue(name))
        await channel.queue_delete(dead_letter_queue(name))


async def put(channel: AbstractChannel, name: str, *bodies: bytes, **properties: Any) -> None:
    exchange = await channel.get_exchange(RUNS)
    for body in bodies:
        answer = await exchange.publish(aio_pika.Message(body, delivery_mode=2, **properties), name)
        assert isinstance(answer, Basic.Ack)


async def take(channel: AbstractChannel, queue: str, seconds: float = 20) -> AbstractIncomingMessage:
    """The next message, as soon as there is one; it stays unacknowledged."""
    source = await channel.get_queue(queue, ensure=False)
    async with asyncio.timeout(seconds):
        while (message := await source.get(fail=False)) is None:
            await asyncio.sleep(0.02)
    return message


async def take_all(channel: AbstractChannel, queue: str, count: int) -> list[AbstractIncomingMessage]:
    return [await take(channel, queue) for _ in range(count)]


# --- declaring --------------------------------------------------------------------------------------------------


async def test_a_delivery_limit_out_of_reach_and_reject_publish_at_least_once_are_accepted(
    channel: AbstractChannel, name: str
) -> None:
    assert work_arguments(name)["x-delivery-limit"] == 2147483647
    assert work_arguments(name)["x-overflow"] == "reject-publish"
    assert work_arguments(name)["x-dead-letter-strategy"] == "at-least-once"
    await declare_work(channel, name)  # and the same once more changes nothing


async def test_declaring_a_queue_with_other_arguments_is_refused(channel: AbstractChannel, name: str) -> None:
    other = {**work_arguments(name), "x-delivery-limit": 7}
    extra = await (await _connection(channel)).channel()
    with pytest.raises(ChannelPreconditionFailed):
        await extra.declare_queue(work_queue(name), durable=True, arguments=other)


async def _connection(channel: AbstractChannel) -> Any:
    return channel._connection  # type: ignore[attr-defined]


# --- publishing -------------------------------------------------------------------------------------------------


async def test_a_mandatory_message_that_reaches_no_queue_raises_and_another_does_not(channel: AbstractChannel) -> None:
    await channel.declare_exchange(RUNS, "direct", durable=True)
    exchange = await channel.get_exchange(RUNS)
    with pytest.raises(PublishError):
        await exchange.publish(aio_pika.Message(b"lost"), "no-such-queue", mandatory=True)
    assert isinstance(await exchange.publish(aio_pika.Message(b"x"), "no-such-queue", mandatory=False), Basic.Ack)


async def test_our_publisher_knows_of_each_message_whether_it_arrived(url: str, name: str) -> None:
    async with await topology.connect(url, "tests") as connection:
        lost = OutgoingMessage(RUNS, "no-such-queue", b"lost")
        sent = [OutgoingMessage(RUNS, name, str(n).encode(), message_id=str(n)) for n in range(700)]
        answers = await Publisher(connection).publish([*sent[:350], lost, *sent[350:]])
    assert [n for n, answer in enumerate(answers) if answer is not None] == [350]
    assert isinstance(answers[350], PublishError)


async def test_asking_for_what_waits_leaves_nothing_that_a_reconnect_would_declare_again(
    url: str, channel: AbstractChannel, name: str
) -> None:
    async with await topology.connect(url, "tests") as connection:
        publisher = Publisher(connection)
        await put(channel, name, b"one", b"two")
        assert [await publisher.waiting_messages(name) for _ in range(3)] == [2, 2, 2]
        assert not cast(Any, await publisher.channel())._queues


async def test_confirmed_messages_are_persistent_and_keep_their_order(
    url: str, name: str, channel: AbstractChannel
) -> None:
    async with await topology.connect(url, "tests") as connection:
        sent = [OutgoingMessage(RUNS, name, b"%d" % n, message_id=f"id {n}") for n in range(50)]
        assert await Publisher(connection).publish(sent) == [None] * 50
    messages = await take_all(channel, work_queue(name), 50)
    assert [(m.body, m.message_id, m.delivery_mode) for m in messages] == [(b"%d" % n, f"id {n}", 2) for n in range(50)]


async def test_a_full_queue_refuses_publishes_instead_of_dropping_messages(channel: AbstractChannel) -> None:
    name = f"test-full-{uuid4().hex[:8]}"
    arguments = {**work_arguments(name), "x-max-length": 3}
    await channel.declare_queue(name, durable=True, arguments=arguments)
    try:
        confirmed, refused = 0, 0
        for n in range(60):
            try:
                await channel.default_exchange.publish(aio_pika.Message(b"%d" % n, delivery_mode=2), name)
                confirmed += 1
            except DeliveryError:
                refused += 1
        assert refused > 0
        assert [m.body for m in await take_all(channel, name, 3)] == [b"0", b"1", b"2"]
    finally:
        await channel.queue_delete(name)


async def test_a_publish_at_faststream_ignores_its_timeout_and_ours_does_not(url: str, name: str) -> None:
    async with _Proxy(url) as proxy:
        broker = RabbitBroker(proxy.url, logger=None)
        await broker.connect()
        async with await topology.connect(proxy.url, "tests") as connection:
            publisher = Publisher(connection, timeout=0.3)
            await publisher.channel()
            await broker.publish(b"before", queue=work_queue(name), timeout=0.2)
            proxy.hold()
            with pytest.raises(TimeoutError):  # from ours: its own would have come long before
                async with asyncio.timeout(1.5) as outer:
                    await broker.publish(b"held up", queue=work_queue(name), timeout=0.2)
            assert outer.expired()
            (answer,) = await publisher.publish([OutgoingMessage(RUNS, name, b"held up")])
            assert isinstance(answer, TimeoutError)
            proxy.release()
        await broker.stop()


async def test_a_connection_that_dies_under_confirms_is_an_error_for_each_and_ends_nobody(url: str, name: str) -> None:
    async with _Proxy(url) as proxy, await topology.connect(proxy.url, "tests") as connection:
        publisher = Publisher(connection)
        await publisher.channel()
        proxy.hold()
        publishing = asyncio.create_task(publisher.publish([OutgoingMessage(RUNS, name, b"x")] * 20))
        await proxy.heard.wait()
        proxy.cut()
        answers = await publishing
        assert len(answers) == 20
        assert all(isinstance(answer, topology.BROKER_ERRORS) for answer in answers)
        proxy.release()
        async with asyncio.timeout(20):  # and it comes back by itself
            while await publisher.publish([OutgoingMessage(RUNS, name, b"again")]) != [None]:
                await asyncio.sleep(0.1)


async def test_a_blind_copy_goes_to_a_second_key_once_to_each_queue_and_is_seen_by_nobody(
    url: str, channel: AbstractChannel
) -> None:
    exchange = await channel.declare_exchange(f"test-{uuid4().hex}", "topic", auto_delete=True)
    seen, copied = [await channel.declare_queue(exclusive=True) for _ in range(2)]
    for key in ("run.#", "#", "mail.named"):
        await seen.bind(exchange, key)
    await copied.bind(exchange, "mail.named")
    async with await topology.connect(url, "tests") as connection:
        copy = OutgoingMessage(exchange.name, "run.succeeded", b"copied", mandatory=False, bcc="mail.named")
        plain = OutgoingMessage(exchange.name, "run.succeeded", b"plain", mandatory=False)
        assert await Publisher(connection).publish([copy, plain]) == [None, None]
    both = await take_all(channel, seen.name, 2)
    assert [(m.body, m.routing_key, m.headers) for m in both] == [
        (b"copied", "run.succeeded", {}),
        (b"plain", "run.succeeded", {}),
    ]
    (message,) = await take_all(channel, copied.name, 1)
    assert (message.body, message.routing_key, message.headers) == (b"copied", "run.succeeded", {})
    assert await copied.get(fail=False) is None
    assert await seen.get(fail=False) is None


async def test_removing_a_binding_that_is_not_there_is_no_error(channel: AbstractChannel) -> None:
    exchange = await channel.declare_exchange(f"test-{uuid4().hex}", "topic", auto_delete=True)
    queue = await channel.declare_queue(exclusive=True)
    await queue.unbind(exchange, "run.#")
    await queue.bind(exchange, "run.#")  # and the channel goes on


# --- settling ---------------------------------------------------------------------------------------------------


async def test_a_rejected_message_goes_to_the_dead_letters_as_it_was_with_its_death(
    channel: AbstractChannel, name: str
) -> None:
    body = RunMessage(uuid4(), 3).encode()
    await put(channel, name, body, headers={"traceparent": "00-1-2-03"}, message_id="run.3", content_type="a/b")
    await (await take(channel, work_queue(name))).reject(requeue=False)
    dead = await take(channel, dead_letter_queue(name))
    assert (dead.body, dead.message_id, dead.content_type, dead.delivery_mode) == (body, "run.3", "a/b", 2)
    assert (dead.exchange, dead.routing_key) == (DEAD_LETTERS, name)
    assert dead.headers["traceparent"] == "00-1-2-03"
    deaths: Any = dead.headers["x-death"]
    death = {key: deaths[0][key] for key in ("reason", "queue", "exchange", "count", "routing-keys")}
    assert death == {
        "reason": "rejected",
        "queue": work_queue(name),
        "exchange": RUNS,
        "count": 1,
        "routing-keys": [name],
    }


async def test_a_dead_letter_moved_back_with_its_headers_still_shows_its_death(
    channel: AbstractChannel, name: str
) -> None:
    """By that a redrive by moving is told from a first delivery."""
    await put(channel, name, b"moved")
    for deaths in (1, 2):
        await (await take(channel, work_queue(name))).reject(requeue=False)
        dead = await take(channel, dead_letter_queue(name))
        await put(channel, name, dead.body, headers=dead.headers)
        await dead.ack()
        moved = await take(channel, work_queue(name))
        assert "x-death" in moved.headers, f"gone after death {deaths}"
        assert moved.headers["x-death"]
        await moved.nack(requeue=True)


async def test_messages_of_a_closed_channel_come_back_in_their_places(channel: AbstractChannel, name: str) -> None:
    await put(channel, name, *[b"%d" % n for n in range(6)])
    other = await (await _connection(channel)).channel()
    held = await take_all(other, work_queue(name), 4)
    assert not any(message.redelivered for message in held)
    await other.close()
    again = await take_all(channel, work_queue(name), 6)
    assert [message.body for message in again] == [b"%d" % n for n in range(6)]
    assert [message.redelivered for message in again] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("which", [work_queue, dead_letter_queue])
async def test_looking_at_a_message_many_times_does_not_use_it_up(
    channel: AbstractChannel, name: str, which: Any
) -> None:
    await put(channel, name, b"seen")
    if which is dead_letter_queue:
        await (await take(channel, work_queue(name))).reject(requeue=False)
    for look in range(50):
        if look % 2:
            await (await take(channel, which(name))).reject(requeue=True)
        else:
            other = await (await _connection(channel)).channel()
            await take(other, which(name))
            await other.close()
    assert (await take(channel, which(name))).body == b"seen"


# --- consuming --------------------------------------------------------------------------------------------------


async def test_after_a_cancel_no_more_comes_and_what_was_taken_can_still_be_settled(
    channel: AbstractChannel, name: str
) -> None:
    consuming = await (await _connection(channel)).channel()
    await consuming.set_qos(prefetch_count=2)
    queue: AbstractQueue = await consuming.get_queue(work_queue(name), ensure=False)
    taken: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    tag = await queue.consume(taken.put)
    await put(channel, name, b"one", b"two")
    first, second = [await asyncio.wait_for(taken.get(), 20) for _ in range(2)]
    await queue.cancel(tag)
    await put(channel, name, b"three")
    await first.ack()
    await second.reject(requeue=False)
    third = await take(channel, work_queue(name))
    assert (third.body, third.redelivered) == (b"three", False)
    assert taken.empty()
    assert (await take(channel, dead_letter_queue(name))).body == b"two"
    await consuming.close()


async def test_what_faststream_cannot_parse_is_settled_by_nobody_but_us(
    url: str, channel: AbstractChannel, name: str
) -> None:
    """With manual acknowledgement each such message holds its place of the prefetch for ever."""
    arguments = cast(QuorumQueueArgs, work_arguments(name))
    queue = RabbitQueue(work_queue(name), queue_type=QueueType.QUORUM, arguments=arguments)
    handled: list[Any] = []
    for ours in (False, True):
        seen = asyncio.Event()
        broker = RabbitBroker(url, logger=None)
        subscriber = broker.subscriber(
            queue, channel=Channel(prefetch_count=2), ack_policy=AckPolicy.MANUAL, decoder=_mine(seen) if ours else None
        )
        subscriber(_ours if ours else _typed(handled))
        await put(channel, name, *([] if ours else [b"{", b"nonsense", b'{"n": 1}']))
        await broker.start()
        if ours:
            dead = await take_all(channel, dead_letter_queue(name), 3)
            assert {m.body for m in dead} == {b"{", b"nonsense", b'{"n": 1}'}
        else:
            async with asyncio.timeout(20):  # the third is still there to be had: both places are held
                third = await take(channel, work_queue(name))
            assert (third.body, handled) == (b'{"n": 1}', [])
            await third.nack(requeue=True)
        await broker.stop()


def _typed(handled: list[Any]) -> Any:
    async def handle(body: dict[str, int]) -> None:
        handled.append(body)

    return handle


async def _ours(message: RabbitMessage) -> None:
    await message.raw_message.reject(requeue=False)


def _mine(seen: asyncio.Event) -> Any:
    async def decode(message: RabbitMessage) -> RabbitMessage:
        seen.set()
        return message

    return decode


# --- a wire that can be held and cut ----------------------------------------------------------------------------


class _Proxy:
    """Stands between client and broker."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._open = asyncio.Event()
        self._open.set()
        self.heard = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._target.username}:{self._target.password}"
        self.url = urlunsplit(self._target._replace(netloc=f"{user}@127.0.0.1:{port}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.release()
        self.cut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def hold(self) -> None:
        """Swallow nothing, pass nothing on; `heard` is set by what comes from the client meanwhile."""
        self._open.clear()
        self.heard.clear()

    def release(self) -> None:
        self._open.set()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._writers += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                self.heard.set()
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
