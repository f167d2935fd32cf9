"""The behaviour of publishing that Duebook relies on: confirms, mandatory messages, full queues, lost connections."""

import asyncio
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import DeliveryError, PublishError
from faststream.rabbit import RabbitBroker
from pamqp.commands import Basic

from duebook_common.broker import topology
from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import RUNS, work_arguments, work_queue
from support.proxy import Proxy
from support.queues import take_all


async def test_only_a_mandatory_message_without_a_queue_raises(channel: AbstractChannel) -> None:
    await channel.declare_exchange(RUNS, "direct", durable=True)
    exchange = await channel.get_exchange(RUNS)
    with pytest.raises(PublishError):
        await exchange.publish(aio_pika.Message(b"lost"), "no-such-queue", mandatory=True)
    assert isinstance(await exchange.publish(aio_pika.Message(b"x"), "no-such-queue", mandatory=False), Basic.Ack)


async def test_our_publisher_reports_each_message_that_did_not_arrive(url: str, name: str) -> None:
    async with await topology.connect(url, "tests") as connection:
        lost = OutgoingMessage(RUNS, "no-such-queue", b"lost")
        sent = [OutgoingMessage(RUNS, name, str(n).encode(), message_id=str(n)) for n in range(700)]
        errors = await Publisher(connection).publish([*sent[:350], lost, *sent[350:]])
    assert [n for n, error in enumerate(errors) if error is not None] == [350]
    assert isinstance(errors[350], PublishError)


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


async def test_our_publisher_keeps_its_timeout_and_faststream_does_not(url: str, name: str) -> None:
    async with Proxy(url) as proxy:
        broker = RabbitBroker(proxy.url, logger=None)
        await broker.connect()
        async with await topology.connect(proxy.url, "tests") as connection:
            publisher = Publisher(connection, timeout=0.3)
            await publisher.channel()
            await broker.publish(b"before", queue=work_queue(name), timeout=0.2)
            proxy.hold()
            with pytest.raises(TimeoutError):  # the one of the block below; that of `publish` is shorter
                async with asyncio.timeout(1.5) as outer:
                    await broker.publish(b"held", queue=work_queue(name), timeout=0.2)
            assert outer.expired()
            (error,) = await publisher.publish([OutgoingMessage(RUNS, name, b"held")])
            assert isinstance(error, TimeoutError)
            proxy.release()
        await broker.stop()


async def test_a_lost_connection_is_an_error_of_each_unconfirmed_message(url: str, name: str) -> None:
    async with Proxy(url) as proxy, await topology.connect(proxy.url, "tests") as connection:
        publisher = Publisher(connection)
        await publisher.channel()
        proxy.hold()
        publishing = asyncio.create_task(publisher.publish([OutgoingMessage(RUNS, name, b"x")] * 20))
        await proxy.received.wait()
        proxy.cut()
        errors = await publishing
        assert len(errors) == 20
        assert all(isinstance(error, topology.BROKER_ERRORS) for error in errors)
        proxy.release()
        async with asyncio.timeout(60):  # the connection reconnects
            while await publisher.publish([OutgoingMessage(RUNS, name, b"again")]) != [None]:
                await asyncio.sleep(0.1)


async def test_bcc_delivers_once_per_queue_and_is_not_in_the_message(url: str, channel: AbstractChannel) -> None:
    exchange = await channel.declare_exchange(f"test-{uuid4().hex}", "topic", auto_delete=True)
    all_outcomes, copied = [await channel.declare_queue(exclusive=True) for _ in range(2)]
    for key in ("run.#", "#", "mail.named"):
        await all_outcomes.bind(exchange, key)
    await copied.bind(exchange, "mail.named")
    async with await topology.connect(url, "tests") as connection:
        copy = OutgoingMessage(exchange.name, "run.succeeded", b"copied", mandatory=False, bcc="mail.named")
        plain = OutgoingMessage(exchange.name, "run.succeeded", b"plain", mandatory=False)
        assert await Publisher(connection).publish([copy, plain]) == [None, None]
    both = await take_all(channel, all_outcomes.name, 2)
    assert [(m.body, m.routing_key, m.headers) for m in both] == [
        (b"copied", "run.succeeded", {}),
        (b"plain", "run.succeeded", {}),
    ]
    (message,) = await take_all(channel, copied.name, 1)
    assert (message.body, message.routing_key, message.headers) == (b"copied", "run.succeeded", {})
    assert await copied.get(fail=False) is None
    assert await all_outcomes.get(fail=False) is None


async def test_removing_an_unknown_binding_is_not_an_error(channel: AbstractChannel) -> None:
    exchange = await channel.declare_exchange(f"test-{uuid4().hex}", "topic", auto_delete=True)
    queue = await channel.declare_queue(exclusive=True)
    await queue.unbind(exchange, "run.#")
    await queue.bind(exchange, "run.#")  # the channel is still open
