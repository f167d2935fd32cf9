"""The way to RabbitMQ for what is published: a connection of its own, and the dead letters of mails."""

import structlog
from aio_pika.abc import AbstractRobustConnection
from pamqp.common import FieldTable

from duebook_common.broker import topology
from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.publisher import OutgoingMessage, Publisher
from duebook_common.broker.topology import NOTIFICATIONS_DEAD
from duebook_common.domain.mail import MailFailed, outcome_of
from duebook_notifier.subject import News

log = structlog.stdlib.get_logger("letters")

_LONGEST_ERROR = 1000


class DeadLetterPublisher:
    """Publishes where RabbitMQ is in reach, and says so where it is not."""

    def __init__(self, url: str, *, tells_by_default: bool) -> None:
        self._url, self._tells_by_default = url, tells_by_default
        self._connection: AbstractRobustConnection | None = None
        self._publisher: Publisher | None = None

    async def declare(self) -> None:
        """Connect where that was not possible before, and declare what mails need; raises what the broker raises."""
        if self._connection is None:
            self._connection = await topology.connect(self._url, "notifier-letters")
            self._publisher = Publisher(self._connection)
        assert self._publisher is not None
        await topology.declare_events(await self._publisher.channel(), default=self._tells_by_default)

    async def bury(self, news: News, failed: MailFailed) -> bool:
        """Put a mail that is given up into the dead-letter queue; False where its arrival is not known."""
        if self._publisher is None:
            return False
        answers = await self._publisher.publish([_letter(news, failed)])
        if answers[0] is not None:
            log.warning("dead letter not confirmed", run_id=str(news.id), error=repr(answers[0]))
        return answers[0] is None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


def _letter(news: News, failed: MailFailed) -> OutgoingMessage:
    """The outcome as it came, so that moving it back to the queue of notifications is an order to try once more."""
    outcome, version = outcome_of(failed.outcome)
    message = OutcomeMessage(
        run_id=news.id,
        job_id=news.job_id,
        outcome=outcome,
        attempt=news.attempt,
        version=version,
        at=failed.at,
        notify=True,
        job_name=news.job_name,
        task=news.task,
        queue=news.queue,
    )
    headers: FieldTable = {
        "run_id": str(news.id),
        "recipient": failed.recipient,
        "outcome": outcome,
        "error": failed.error[:_LONGEST_ERROR],
        "tries": failed.tries,
    }
    return OutgoingMessage("", NOTIFICATIONS_DEAD, message.encode(), headers, message_id=failed.message_id)
