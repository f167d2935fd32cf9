"""`amqp.publish`: a message is confirmed and routed, or the attempt fails; Duebook's own names are refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue

from duebook.errors import Fail
from duebook_api.http.problems import Problem
from duebook_api.state.task_catalogue import TaskSchemas
from duebook_executor.builtin.amqp_publish import AmqpPublisher, amqp_publish_task
from support.broker_memory import held
from support.http_server import TRACE, run


@pytest.fixture
async def channel(rabbitmq_url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        yield await connection.channel()


@pytest.fixture
async def queue(channel: AbstractChannel) -> AsyncIterator[AbstractQueue]:
    name = f"test-{uuid4().hex}"
    exchange = await channel.declare_exchange(name, "topic")
    queue = await channel.declare_queue(name)
    await queue.bind(exchange, "orders.#")
    yield queue
    await queue.delete(if_unused=False, if_empty=False)
    await exchange.delete()


@pytest.fixture
async def publisher(rabbitmq_url: str) -> AsyncIterator[AmqpPublisher]:
    publisher = AmqpPublisher(rabbitmq_url)
    yield publisher
    await publisher.close()


async def test_a_message_arrives_with_its_body_and_headers(publisher: AmqpPublisher, queue: AbstractQueue) -> None:
    payload = {
        "exchange": queue.name,
        "routing_key": "orders.new",
        "body": {"n": [1, "ä"]},
        "headers": {"a": 1, "b": "c"},
    }
    result = await run(amqp_publish_task(publisher), payload)
    message = await queue.get()
    assert json.loads(message.body) == {"n": [1, "ä"]}
    assert (message.content_type, message.delivery_mode, message.app_id) == ("application/json", 2, "duebook")
    assert result == {"message_id": message.message_id}
    assert message.message_id == f"{UUID(int=1)}.2", "the same for every attempt of the run"
    assert message.headers == {"a": 1, "b": "c", "traceparent": TRACE}
    await message.ack()


async def test_the_default_exchange_routes_to_the_named_queue(publisher: AmqpPublisher, queue: AbstractQueue) -> None:
    await run(amqp_publish_task(publisher), {"routing_key": queue.name, "body": "x"})
    assert (await queue.get()).body == b'"x"'


async def test_the_largest_headers_arrive_and_larger_ones_are_refused(
    publisher: AmqpPublisher, queue: AbstractQueue
) -> None:
    task, headers = amqp_publish_task(publisher), {f"h{n}": "x" * 1000 for n in range(16)}
    await run(task, {"routing_key": queue.name, "headers": headers | {"n": 2**63 - 1}})
    assert (await queue.get()).headers == {**headers, "n": 2**63 - 1, "traceparent": TRACE}
    with pytest.raises(Fail, match="at most 16384 bytes together"):
        await run(task, {"routing_key": queue.name, "headers": headers | {"h": "x" * 1000}})


async def test_an_unroutable_message_and_a_missing_exchange_fail(
    publisher: AmqpPublisher, queue: AbstractQueue
) -> None:
    task = amqp_publish_task(publisher)
    with pytest.raises(Fail, match=r"no queue is bound to the exchange .* with the routing key 'invoices'"):
        await run(task, {"exchange": queue.name, "routing_key": "invoices"})
    with pytest.raises(Fail, match="no queue is bound"):
        await run(task, {"routing_key": "no-such-queue"})
    with pytest.raises(Fail, match="the exchange 'no-such-exchange' does not exist") as failed:
        await run(task, {"exchange": "no-such-exchange"})
    assert failed.value.retry, "the next attempt may find it"


async def test_a_failed_message_does_not_fail_its_neighbours(publisher: AmqpPublisher, queue: AbstractQueue) -> None:
    task = amqp_publish_task(publisher)
    good = [run(task, {"exchange": queue.name, "routing_key": "orders", "body": n}) for n in range(20)]
    bad = [run(task, {"exchange": f"no-such-{n}"}) for n in range(20)]
    results = await asyncio.gather(
        *(each for pair in zip(good, bad, strict=True) for each in pair), return_exceptions=True
    )
    assert [type(result) for result in results] == [dict, Fail] * 20
    assert sorted([int((await queue.get()).body) for _ in range(20)]) == [*range(20)]


async def test_a_lost_connection_is_opened_again(publisher: AmqpPublisher, queue: AbstractQueue) -> None:
    payload = {"routing_key": queue.name}
    await run(amqp_publish_task(publisher), payload)
    assert publisher._connection is not None
    lost: Any = publisher._connection.transport
    await lost.connection.close(ConnectionError("cut"))  # as the network or the broker ends it
    await run(amqp_publish_task(publisher), payload)
    with pytest.raises(Fail, match="the broker did not confirm the message"):
        await run(amqp_publish_task(AmqpPublisher("amqp://127.0.0.1:1/")), payload)


@pytest.mark.parametrize(
    "payload",
    [
        {"exchange": "duebook.runs", "routing_key": "default"},
        {"exchange": "duebook.events", "routing_key": "run.succeeded"},
        {"routing_key": "duebook.runs.default"},
        {"routing_key": "q", "headers": {"CC": "duebook.runs.default"}},
        {"routing_key": "q", "headers": {"bcc": "x"}},
        {"routing_key": "q", "headers": {"a": ["list"]}},
        {"routing_key": "q", "headers": {"a": 0.1}},
        {"routing_key": "q", "headers": {"a": 2**63}},
        {"routing_key": "q", "headers": {"a": "x" * 1025}},
        {"routing_key": "q", "headers": {f"h{n}": 1 for n in range(51)}},
        {"routing_key": "q" * 256},
        {"exchange": "ä"},
        {"exchange": "x" * 128},
        {"routing_key": "q", "key": "x"},
        {"exchange": None},
        "q",
    ],
)
async def test_an_invalid_payload_is_refused_by_model_and_schema(payload: Any) -> None:
    task = amqp_publish_task(AmqpPublisher("amqp://127.0.0.1:1/"))
    with pytest.raises(Fail) as failed:
        task.validate(payload)
    assert not failed.value.retry
    with pytest.raises(Problem):
        TaskSchemas({task.name: task.json_schema()}).must_accept(task.name, payload)


async def test_only_exchanges_that_are_allowed_are_published_to(rabbitmq_url: str, queue: AbstractQueue) -> None:
    publisher = AmqpPublisher(rabbitmq_url, (queue.name,))
    task = amqp_publish_task(publisher)
    await run(task, {"exchange": queue.name, "routing_key": "orders.new"})
    for exchange in ("", "amq.fanout"):
        with pytest.raises(Fail, match="is not allowed: DUEBOOK_AMQP_EXCHANGES names") as refused:
            await run(task, {"exchange": exchange, "routing_key": queue.name})
        assert not refused.value.retry
    await publisher.close()
    by_default = AmqpPublisher(rabbitmq_url, ("default",))
    await run(amqp_publish_task(by_default), {"routing_key": queue.name})
    await by_default.close()


async def test_messages_leave_nothing_on_the_connection(publisher: AmqpPublisher, queue: AbstractQueue) -> None:
    task, payload = amqp_publish_task(publisher), {"routing_key": queue.name, "body": "x"}
    await run(task, payload)
    before = await held()
    for _ in range(25):
        await run(task, payload)
    grown = await held() - before
    assert max(grown.values(), default=0) < 5, grown
