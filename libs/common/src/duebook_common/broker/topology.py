"""RabbitMQ's exchanges, queues and their arguments.

RabbitMQ refuses to declare a queue again with other arguments, so these never change. Tunable limits belong into
policies.
"""

from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractQueue, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from pamqp.common import FieldTable

from duebook_common.broker import channels, nodes

channels.install()  # before the first connection of any kind: all that connect import this module
nodes.install()

RUNS = "duebook.runs"
DEAD_LETTERS = "duebook.dead-letters"
EVENTS = "duebook.events"
NOTIFICATIONS = "duebook.notifications"
NOTIFICATIONS_DEAD = "duebook.notifications.dead-letters"

# Second routing keys (BCC) of outcomes that may need a mail: the job itself names recipients, or only the notifier's
# settings may name some. The broker removes the key, so that other subscribers do not see it.
MAIL_NAMED = "mail.named"
MAIL_DEFAULT = "mail.default"

# The errors of a broker that is unreachable, restarts, or refuses.
BROKER_ERRORS = (*CONNECTION_EXCEPTIONS, aio_pika.exceptions.AMQPError, TimeoutError, OSError)

# Reading a message and giving it back counts as a delivery: by default RabbitMQ 4 would drop it after 20 of them.
_LIMIT: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 2147483647}
_AT_LEAST_ONCE: FieldTable = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def work_queue(queue: str) -> str:
    return f"{RUNS}.{queue}"


def dead_letter_queue(queue: str) -> str:
    return f"{DEAD_LETTERS}.{queue}"


def presence_queue(executor: str) -> str:
    """An executor's own queue without messages: exclusive, so that it exists as long as the executor's connection."""
    return f"duebook.executor.{executor.rpartition('/')[2]}"


def work_arguments(queue: str) -> FieldTable:
    """The arguments of a work queue: what is rejected goes to its dead-letter queue."""
    dead_letters: FieldTable = {"x-dead-letter-exchange": DEAD_LETTERS, "x-dead-letter-routing-key": queue}
    return {**_LIMIT, **_AT_LEAST_ONCE, **dead_letters}


NOTIFICATION_ARGUMENTS: FieldTable = {
    **_LIMIT,
    **_AT_LEAST_ONCE,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": NOTIFICATIONS_DEAD,
}
DEAD_LETTER_ARGUMENTS: FieldTable = {**_LIMIT}


async def connect(url: str, name: str) -> AbstractRobustConnection:
    """A connection that reconnects by itself, to any node, and notices a silent broker within about 30 s."""
    return await aio_pika.connect_robust(
        nodes.with_one_host(url),
        reconnect_interval=1,
        client_properties={"connection_name": f"duebook-{name}"},
        heartbeat=10,
    )


async def declare_work(channel: AbstractChannel, queue: str) -> AbstractQueue:
    """Declare a dead-letter queue and its work queue, and return the latter. A repeat changes nothing."""
    dead_letters = await channel.declare_exchange(DEAD_LETTERS, "direct", durable=True)
    buried = await channel.declare_queue(dead_letter_queue(queue), durable=True, arguments=DEAD_LETTER_ARGUMENTS)
    await buried.bind(dead_letters, queue)
    runs = await channel.declare_exchange(RUNS, "direct", durable=True)
    work = await channel.declare_queue(work_queue(queue), durable=True, arguments=work_arguments(queue))
    await work.bind(runs, queue)
    return work


async def declare_events(channel: Any, *, default: bool = True) -> None:
    """Declare the exchange of outcomes, and the notifier's queue with its dead-letter queue.

    `default`: bind the queue also to outcomes of jobs that name no recipients. Only a notifier without
    DUEBOOK_NOTIFY_TO knows that it needs none of them.
    """
    events = await channel.declare_exchange(EVENTS, "topic", durable=True)
    await channel.declare_queue(NOTIFICATIONS_DEAD, durable=True, arguments=DEAD_LETTER_ARGUMENTS)
    notifications = await channel.declare_queue(NOTIFICATIONS, durable=True, arguments=NOTIFICATION_ARGUMENTS)
    await notifications.bind(events, MAIL_NAMED)
    await (notifications.bind if default else notifications.unbind)(events, MAIL_DEFAULT)
