"""The dead letters of mails that were given up, published over a connection of their own.

They name neither recipient nor error, which no erasure could remove: the list of mails has both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from aio_pika.abc import AbstractRobustConnection
from pamqp.common import FieldTable

from duebook_common.broker import topology
from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import NOTIFICATIONS_DEAD
from duebook_common.domain.mail import MailFailed

log = structlog.stdlib.get_logger("dead_letters")

GIVEN_UP_AFTER = "tries"
"""The header that only a dead letter has."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A mail that was given up, and the message about its outcome."""

    message: OutcomeMessage
    failed: MailFailed


class DeadLetterPublisher:
    """Publishes dead letters to the notifications' dead-letter queue, and declares the queues of the notifier."""

    def __init__(self, url: str, *, default_recipients: bool) -> None:
        self._url, self._default_recipients = url, default_recipients
        self._connection: AbstractRobustConnection | None = None
        self._publisher: Publisher | None = None

    async def declare(self) -> None:
        """Connect, unless that is done already, and declare the exchange and queues. Raises BROKER_ERRORS."""
        if self._connection is None:
            self._connection = await topology.connect(self._url, "notifier-dead-letters")
            self._publisher = Publisher(self._connection)
        assert self._publisher is not None
        await topology.declare_events(await self._publisher.channel(), default=self._default_recipients)

    async def publish(self, dead_letters: Sequence[DeadLetter]) -> bool:
        """Publish the dead letters of given-up mails; False if RabbitMQ is unavailable or did not confirm all."""
        if self._publisher is None:
            return False
        errors = [error for error in await self._publisher.publish([*map(_message, dead_letters)]) if error is not None]
        if errors:
            log.warning("dead letter not confirmed", count=len(errors), error=errors[0])
        return not errors

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


def _message(dead_letter: DeadLetter) -> OutgoingMessage:
    """The outcome as it was received: an operator who moves it back to the notifications queue retries its mails."""
    failed = dead_letter.failed
    headers: FieldTable = {
        "run_id": str(dead_letter.message.run_id),
        "outcome": dead_letter.message.outcome,
        GIVEN_UP_AFTER: failed.tries,
    }
    return OutgoingMessage("", NOTIFICATIONS_DEAD, dead_letter.message.encode(), headers)
