"""RabbitMQ: exchanges, queues and their arguments. They never change; tunables belong into policies."""

from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractQueue, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from pamqp.common import FieldTable

RUNS = "duebook.runs"
DEAD_LETTERS = "duebook.dead-letters"
EVENTS = "duebook.events"
NOTIFICATIONS = "duebook.notifications"
NOTIFICATIONS_DEAD = "duebook.notifications.dead-letters"

# Second routing keys of outcomes that a mail may tell of: the job itself names recipients; or only the notifier's
# settings could. Sent as BCC, so that nobody who receives the outcome sees them.
MAIL_NAMED = "mail.named"
MAIL_DEFAULT = "mail.default"

# What a broker that is away, restarting or refusing looks like.
BROKER_ERRORS = (*CONNECTION_EXCEPTIONS, aio_pika.exceptions.AMQPError, TimeoutError, OSError)

# Looking at a message must never use it up: 4.x would drop it after 20 looks.
_LIMIT: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 2147483647}
_AT_LEAST_ONCE: FieldTable = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def work_queue(queue: str) -> str:
    return f"{RUNS}.{queue}"


def dead_letter_queue(queue: str) -> str:
    return f"{DEAD_LETTERS}.{queue}"


def work_arguments(queue: str) -> FieldTable:
    """A work queue's arguments; they never change, tunables belong into policies."""
    dead: FieldTable = {"x-dead-letter-exchange": DEAD_LETTERS, "x-dead-letter-routing-key": queue}
    return {**_LIMIT, **_AT_LEAST_ONCE, **dead}


NOTIFICATION_ARGUMENTS: FieldTable = {
    **_LIMIT,
    **_AT_LEAST_ONCE,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": NOTIFICATIONS_DEAD,
}
DEAD_LETTER_ARGUMENTS: FieldTable = {**_LIMIT}


async def connect(url: str, name: str) -> AbstractRobustConnection:
    """A connection that comes back by itself and notices a silent peer within about 30 s."""
    return await aio_pika.connect_robust(
        url, timeout=10, reconnect_interval=1, client_properties={"connection_name": f"duebook-{name}"}, heartbeat=10
    )


async def declare_work(channel: AbstractChannel, queue: str) -> AbstractQueue:
    """Declare the dead-letter queue, then the work queue, which is returned; repeating it changes nothing."""
    dead = await channel.declare_exchange(DEAD_LETTERS, "direct", durable=True)
    resting = await channel.declare_queue(dead_letter_queue(queue), durable=True, arguments=DEAD_LETTER_ARGUMENTS)
    await resting.bind(dead, queue)
    runs = await channel.declare_exchange(RUNS, "direct", durable=True)
    working = await channel.declare_queue(work_queue(queue), durable=True, arguments=work_arguments(queue))
    await working.bind(runs, queue)
    return working


async def declare_events(channel: Any, *, default: bool = True) -> None:
    """The exchange of outcomes, and the notifier's queue with its dead-letter queue.

    `default`: there may be recipients where a job names none. Only a notifier knows that there are not.
    """
    events = await channel.declare_exchange(EVENTS, "topic", durable=True)
    await channel.declare_queue(NOTIFICATIONS_DEAD, durable=True, arguments=DEAD_LETTER_ARGUMENTS)
    notifications = await channel.declare_queue(NOTIFICATIONS, durable=True, arguments=NOTIFICATION_ARGUMENTS)
    await notifications.bind(events, MAIL_NAMED)
    await (notifications.bind if default else notifications.unbind)(events, MAIL_DEFAULT)
