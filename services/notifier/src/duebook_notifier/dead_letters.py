"""The dead letters of mails that were given up, published over a connection of their own."""

import structlog
from aio_pika.abc import AbstractRobustConnection
from pamqp.common import FieldTable

from duebook_common.broker import topology
from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import NOTIFICATIONS_DEAD
from duebook_common.domain.mail import MailFailed, parse_topic
from duebook_notifier.subject import MailSubject

log = structlog.stdlib.get_logger("dead_letters")

_LONGEST_ERROR = 1000  # characters


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

    async def publish(self, subject: MailSubject, failed: MailFailed) -> bool:
        """Publish the dead letter of a given-up mail; False if RabbitMQ is unavailable or did not confirm it."""
        if self._publisher is None:
            return False
        [error] = await self._publisher.publish([_dead_letter(subject, failed)])
        if error is not None:
            log.warning("dead letter not confirmed", run_id=str(subject.id), error=repr(error))
        return error is None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


def _dead_letter(subject: MailSubject, failed: MailFailed) -> OutgoingMessage:
    """The outcome as it was received: an operator who moves it back to the notifications queue retries the mail."""
    outcome, version = parse_topic(failed.outcome)
    message = OutcomeMessage(
        run_id=subject.id,
        job_id=subject.job_id,
        outcome=outcome,
        attempt=subject.attempt,
        version=version,
        at=failed.at,
        notify=True,
        job_name=subject.job_name,
        task=subject.task,
        queue=subject.queue,
    )
    headers: FieldTable = {
        "run_id": str(subject.id),
        "recipient": failed.recipient,
        "outcome": outcome,
        "error": failed.error[:_LONGEST_ERROR],
        "tries": failed.tries,
    }
    return OutgoingMessage("", NOTIFICATIONS_DEAD, message.encode(), headers, message_id=failed.message_id)
