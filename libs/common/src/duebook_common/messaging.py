"""RabbitMQ: the topology, what a message says, and publishing that is known to have arrived.

What a message says may change apart from what is stored. Publishing has a connection of its own: a channel error
on a consuming one would cancel its handlers.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import aio_pika
import aiormq
import orjson
from aio_pika.abc import AbstractChannel, AbstractRobustChannel, AbstractRobustConnection, HeadersType
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from pamqp.commands import Basic

T = TypeVar("T")

RUNS = "duebook.runs"
DEAD_LETTERS = "duebook.dead-letters"
EVENTS = "duebook.events"
NOTIFICATIONS = "duebook.notifications"
NOTIFICATIONS_DEAD = "duebook.notifications.dead-letters"

# What a broker that is away, restarting or refusing looks like.
BROKER_ERRORS = (*CONNECTION_EXCEPTIONS, aio_pika.exceptions.AMQPError, TimeoutError, OSError)

_IN_FLIGHT = 500

# Looking at a message must never use it up: 4.x would drop it after 20 looks.
_LIMIT = {"x-queue-type": "quorum", "x-delivery-limit": 2147483647}
_AT_LEAST_ONCE = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


class MessageUnreadable(Exception):
    """The body is not what this version of Duebook sends."""


@dataclass(frozen=True, slots=True)
class RunMessage:
    """One delivery is one run. `bury` marks a run given up where no delivery was held, to be rejected."""

    run_id: UUID
    dispatch: int
    bury: bool = False

    def encode(self) -> bytes:
        return orjson.dumps({"v": 1, "run_id": str(self.run_id), "dispatch": self.dispatch, "bury": self.bury})

    @classmethod
    def decode(cls, body: bytes) -> "RunMessage":
        """Raises MessageUnreadable."""
        try:
            data = orjson.loads(body)
            dispatch, bury = data["dispatch"], data.get("bury", False)
            if data["v"] != 1 or type(dispatch) is not int or type(bury) is not bool:
                raise ValueError(f"version {data['v']}")
            return cls(UUID(data["run_id"]), dispatch, bury)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MessageUnreadable(repr(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeMessage:
    """Something happened to a run that people may want to know: what the relay publishes on `duebook.events`.

    `outcome` is succeeded, failed (a retry is ahead), dead_lettered, skipped, missed, cancelled or discarded.
    `version` is its event's version in the run's stream: a repeat has the same, a later outcome a higher one.
    `notify` says that the job itself names recipients.
    """

    run_id: UUID
    job_id: UUID
    outcome: str
    attempt: int
    version: int
    at: datetime
    notify: bool
    job_name: str = ""
    task: str = ""
    queue: str = ""

    @property
    def routing_key(self) -> str:
        return f"run.{self.outcome}"

    def encode(self) -> bytes:
        return orjson.dumps({"v": 1, **{name: getattr(self, name) for name in self.__slots__}}, default=str)

    @classmethod
    def decode(cls, body: bytes) -> "OutcomeMessage":
        """Raises MessageUnreadable."""
        try:
            data = orjson.loads(body)
            if data["v"] != 1:
                raise ValueError(f"version {data['v']}")
            return cls(
                run_id=UUID(data["run_id"]),
                job_id=UUID(data["job_id"]),
                outcome=_of(str, data["outcome"]),
                attempt=_of(int, data["attempt"]),
                version=_of(int, data["version"]),
                at=datetime.fromisoformat(data["at"]),
                notify=_of(bool, data["notify"]),
                **{name: str(data.get(name, "")) for name in ("job_name", "task", "queue")},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MessageUnreadable(repr(error)) from error


def _of(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return value


def work_queue(queue: str) -> str:
    return f"{RUNS}.{queue}"


def dead_letter_queue(queue: str) -> str:
    return f"{DEAD_LETTERS}.{queue}"


def work_arguments(queue: str) -> dict[str, Any]:
    """A work queue's arguments; they never change, tunables belong into policies."""
    dead = {"x-dead-letter-exchange": DEAD_LETTERS, "x-dead-letter-routing-key": queue}
    return {**_LIMIT, **_AT_LEAST_ONCE, **dead}


NOTIFICATION_ARGUMENTS = {
    **_LIMIT,
    **_AT_LEAST_ONCE,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": NOTIFICATIONS_DEAD,
}
RESTING_ARGUMENTS = dict(_LIMIT)


async def connect(url: str, name: str) -> AbstractRobustConnection:
    """A connection that comes back by itself and notices a silent peer within about 30 s."""
    return await aio_pika.connect_robust(
        url, timeout=10, reconnect_interval=1, client_properties={"connection_name": f"duebook-{name}"}, heartbeat=10
    )


async def declare_work(channel: Any, queue: str) -> int | None:
    """The work queue and, before it, its dead-letter queue; repeated declarations change nothing.

    Returns how many messages are ready in the work queue.
    """
    dead = await channel.declare_exchange(DEAD_LETTERS, "direct", durable=True)
    resting = await channel.declare_queue(dead_letter_queue(queue), durable=True, arguments=RESTING_ARGUMENTS)
    await resting.bind(dead, queue)
    runs = await channel.declare_exchange(RUNS, "direct", durable=True)
    working = await channel.declare_queue(work_queue(queue), durable=True, arguments=work_arguments(queue))
    await working.bind(runs, queue)
    count: int | None = working.declaration_result.message_count
    return count


async def declare_events(channel: Any) -> None:
    """The exchange of outcomes, and the notifier's queue with its dead-letter queue."""
    events = await channel.declare_exchange(EVENTS, "topic", durable=True)
    await channel.declare_queue(NOTIFICATIONS_DEAD, durable=True, arguments=RESTING_ARGUMENTS)
    notifications = await channel.declare_queue(NOTIFICATIONS, durable=True, arguments=NOTIFICATION_ARGUMENTS)
    await notifications.bind(events, "run.#")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message and where it goes. `mandatory`: it must reach a queue."""

    exchange: str
    routing_key: str
    body: bytes
    headers: HeadersType | None = None
    message_id: str | None = None
    mandatory: bool = True


class Publisher:
    """Publishes with confirms, many in flight, each known to have arrived or raised for."""

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
                return await declare_work(await self.channel(), queue)
        except BROKER_ERRORS:
            return None

    def forget_queues(self) -> None:
        """After a broker lost its data what was declared has to be declared again."""
        self._queues.clear()

    async def publish(self, messages: Sequence[Outgoing]) -> list[BaseException | None]:
        """Publish all, a few hundred in flight; an answer for each: None, or why its arrival is not known."""
        answers: list[BaseException | None] = []
        for start in range(0, len(messages), _IN_FLIGHT):
            answers += await self._publish(messages[start : start + _IN_FLIGHT])
        return answers

    async def _publish(self, messages: Sequence[Outgoing]) -> list[BaseException | None]:
        try:
            async with asyncio.timeout(self._timeout):
                channel = cast(aiormq.Channel, await (await self.channel()).get_underlay_channel())
                answers = await asyncio.gather(*(_send(channel, m) for m in messages), return_exceptions=True)
        except BROKER_ERRORS as error:
            return [error] * len(messages)
        return [_fault(answer) for answer in answers]


def _fault(answer: object) -> BaseException | None:
    """A confirm that died with its connection comes as a bare CancelledError, which nobody asked for."""
    if isinstance(answer, asyncio.CancelledError):
        return ConnectionError("the connection was lost under a confirm")
    return answer if isinstance(answer, BaseException) else None


def _send(channel: aiormq.Channel, message: Outgoing) -> Awaitable[object]:
    """Without waiting for each frame to be written, which would put one publish behind the other."""
    properties = Basic.Properties(
        headers=dict(message.headers) if message.headers else None,
        content_type="application/json",
        delivery_mode=2,
        message_id=message.message_id,
    )
    return channel.basic_publish(
        message.body,
        exchange=message.exchange,
        routing_key=message.routing_key,
        properties=properties,
        mandatory=message.mandatory,
        wait=False,
    )
