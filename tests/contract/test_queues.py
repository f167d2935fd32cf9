"""The behaviour of RabbitMQ and of its client libraries that Duebook relies on. Run these tests after each upgrade.

If DUEBOOK_TEST_RABBITMQ_43_URL is set, they also run against that broker of version 4.3.

This file is about the arguments of queues, and about rejected, returned and dead-lettered messages.
"""

from typing import Any
from uuid import uuid4

import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed

from duebook_common.broker.messages import RunMessage
from duebook_common.broker.topology import (
    DEAD_LETTERS,
    RUNS,
    dead_letter_queue,
    declare_work,
    work_arguments,
    work_queue,
)
from support.queues import put, second_channel, take, take_all


async def test_the_arguments_of_a_work_queue_are_accepted(channel: AbstractChannel, name: str) -> None:
    assert work_arguments(name)["x-delivery-limit"] == 2147483647
    assert work_arguments(name)["x-overflow"] == "reject-publish"
    assert work_arguments(name)["x-dead-letter-strategy"] == "at-least-once"
    await declare_work(channel, name)  # declaring it again changes nothing


async def test_declaring_a_queue_with_other_arguments_is_refused(channel: AbstractChannel, name: str) -> None:
    other = {**work_arguments(name), "x-delivery-limit": 7}
    second = await second_channel(channel)
    with pytest.raises(ChannelPreconditionFailed):
        await second.declare_queue(work_queue(name), durable=True, arguments=other)


async def test_a_rejected_message_is_dead_lettered_unchanged_with_x_death(channel: AbstractChannel, name: str) -> None:
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


async def test_a_dead_letter_moved_back_with_its_headers_keeps_x_death(channel: AbstractChannel, name: str) -> None:
    """So an executor can distinguish a redrive by moving from a first delivery."""
    await put(channel, name, b"moved")
    for deaths in (1, 2):
        await (await take(channel, work_queue(name))).reject(requeue=False)
        dead = await take(channel, dead_letter_queue(name))
        await put(channel, name, dead.body, headers=dead.headers)
        await dead.ack()
        moved = await take(channel, work_queue(name))
        assert "x-death" in moved.headers, f"lost after death {deaths}"
        assert moved.headers["x-death"]
        await moved.nack(requeue=True)


async def test_messages_of_a_closed_channel_return_in_order(channel: AbstractChannel, name: str) -> None:
    await put(channel, name, *[b"%d" % n for n in range(6)])
    other = await second_channel(channel)
    held = await take_all(other, work_queue(name), 4)
    assert not any(message.redelivered for message in held)
    await other.close()
    again = await take_all(channel, work_queue(name), 6)
    assert [message.body for message in again] == [b"%d" % n for n in range(6)]
    assert [message.redelivered for message in again] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("which", [work_queue, dead_letter_queue])
async def test_a_message_can_be_returned_to_its_queue_many_times(
    channel: AbstractChannel, name: str, which: Any
) -> None:
    await put(channel, name, b"body")
    if which is dead_letter_queue:
        await (await take(channel, work_queue(name))).reject(requeue=False)
    for delivery in range(50):
        if delivery % 2:
            await (await take(channel, which(name))).reject(requeue=True)
        else:
            other = await second_channel(channel)
            await take(other, which(name))
            await other.close()
    assert (await take(channel, which(name))).body == b"body"
