"""RabbitMQ: the topology, and what a message says, which may change apart from what is stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import aio_pika
import orjson
from aio_pika.abc import AbstractChannel, AbstractQueue, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from pamqp.common import FieldTable

T = TypeVar("T")

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

    Occurrences that were missed together are one outcome: `missed` has their `first` and `last` nominal time, their
    `count` and the `reason`, `run_id` is the run that the last would have had, `version` counts in the job's stream.
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
    missed: dict[str, Any] | None = None

    @property
    def routing_key(self) -> str:
        return f"run.{self.outcome}"

    def encode(self) -> bytes:
        said = {name: getattr(self, name) for name in self.__slots__ if name != "missed"}
        return orjson.dumps({"v": 1, **said} | ({"missed": self.missed} if self.missed else {}), default=str)

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
                missed=_of(dict, data["missed"]) if "missed" in data else None,
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
RESTING_ARGUMENTS: FieldTable = {**_LIMIT}


async def connect(url: str, name: str) -> AbstractRobustConnection:
    """A connection that comes back by itself and notices a silent peer within about 30 s."""
    return await aio_pika.connect_robust(
        url, timeout=10, reconnect_interval=1, client_properties={"connection_name": f"duebook-{name}"}, heartbeat=10
    )


async def declare_work(channel: AbstractChannel, queue: str) -> AbstractQueue:
    """Declare the dead-letter queue, then the work queue, which is returned; repeating it changes nothing."""
    dead = await channel.declare_exchange(DEAD_LETTERS, "direct", durable=True)
    resting = await channel.declare_queue(dead_letter_queue(queue), durable=True, arguments=RESTING_ARGUMENTS)
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
    await channel.declare_queue(NOTIFICATIONS_DEAD, durable=True, arguments=RESTING_ARGUMENTS)
    notifications = await channel.declare_queue(NOTIFICATIONS, durable=True, arguments=NOTIFICATION_ARGUMENTS)
    await notifications.bind(events, MAIL_NAMED)
    await (notifications.bind if default else notifications.unbind)(events, MAIL_DEFAULT)
