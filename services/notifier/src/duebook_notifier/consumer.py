"""Outcomes from RabbitMQ: each delivery is acknowledged or rejected, or redelivered after a lost connection."""

import asyncio
from types import TracebackType
from typing import Any

import structlog
from faststream import AckPolicy, BaseMiddleware
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from yarl import URL

from duebook_common.broker.messages import MessageUnreadable, OutcomeMessage
from duebook_common.broker.nodes import with_one_host
from duebook_common.broker.topology import EVENTS, MAIL_NAMED, NOTIFICATION_ARGUMENTS, NOTIFICATIONS
from duebook_common.runtime.log_errors import Contents
from duebook_common.runtime.telemetry import NOTIFICATIONS as COUNTER
from duebook_notifier.dead_letters import GIVEN_UP_AFTER
from duebook_notifier.outcome_mailer import OutcomeMailer
from duebook_notifier.subject import UnknownOutcome

log = structlog.stdlib.get_logger("consumer")

_PREFETCH = 1000  # so many outcomes share the notifier fairly between their jobs
_ARGUMENTS: Any = NOTIFICATION_ARGUMENTS  # FastStream types fewer arguments than RabbitMQ has


class RejectUnprocessed(BaseMiddleware):
    """Rejects a delivery that no handler settled: left unsettled, it would occupy the prefetch window for ever."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> bool | None:
        delivery = self.msg
        if delivery is not None and not delivery.processed and not isinstance(error, asyncio.CancelledError):
            await delivery.reject(requeue=False)
        return await super().__aexit__(kind, error, trace)


async def _undecoded(message: RabbitMessage) -> Any:
    """A decoder that hands the delivery on as it is: `OutcomeMessage` decodes the body."""
    return message


class Consumer:
    """Consumes outcomes from the notifications queue and has them mailed.

    `default_recipients`: the settings name recipients for jobs that name none.
    """

    def __init__(self, url: str, mailer: OutcomeMailer, *, default_recipients: bool) -> None:
        self._mailer, self._default_recipients = mailer, default_recipients
        self._without_recipient = COUNTER.labels("nobody")
        self._broker = RabbitBroker(
            str(URL(with_one_host(url)).update_query(heartbeat=10)),
            reconnect_interval=1,
            graceful_timeout=1,
            logger=None,
            apply_types=False,  # saves the cost of dependency injection, which is not used here
            middlewares=[RejectUnprocessed],
        )
        self._subscriber = self._broker.subscriber(
            RabbitQueue(NOTIFICATIONS, queue_type=QueueType.QUORUM, routing_key=MAIL_NAMED, arguments=_ARGUMENTS),
            RabbitExchange(EVENTS, type=ExchangeType.TOPIC),
            channel=Channel(prefetch_count=_PREFETCH),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            decoder=_undecoded,
        )
        self._subscriber(self._receive)
        self._started = False

    async def start(self) -> None:
        """Start to consume, unless that is done already. Raises BROKER_ERRORS; the call can then be repeated."""
        if not self._started:
            await self._broker.start()
            self._started = True

    async def check(self) -> None:
        """Raises ConnectionError unless the connection is up and the consumer is registered on its channel."""
        queue, tag = self._consuming()
        if queue is None or not await self._broker.ping(0.5):
            raise ConnectionError("no connection to RabbitMQ")
        channel: Any = await queue.channel.get_underlay_channel()
        if channel.is_closed or tag not in channel.consumers:  # the channel of a lost connection keeps its list
            raise ConnectionError(f"not consuming from {NOTIFICATIONS}")

    async def cancel(self) -> None:
        """Stop consuming. FastStream alone would go on receiving messages while it drains."""
        queue, tag = self._consuming()
        if queue is not None and tag is not None and not queue.channel.is_closed:
            self._subscriber._consumer_tag = None  # noqa: SLF001 - `close` would cancel it again
            try:
                async with asyncio.timeout(2):
                    await queue.cancel(tag)
            except Exception as error:  # a lost connection delivers nothing either
                log.warning("consumer not cancelled", error=error)

    async def close(self) -> None:
        try:
            async with asyncio.timeout(5):
                await self._broker.stop()
        except Exception as error:
            log.warning("connection not closed", error=error)

    def _consuming(self) -> tuple[Any, str | None]:
        """The queue and the consumer tag, which FastStream has no public access to."""
        return self._subscriber._queue_obj, self._subscriber._consumer_tag  # noqa: SLF001

    async def _receive(self, message: RabbitMessage) -> None:
        try:
            await self._mail(message)
        except (MessageUnreadable, UnknownOutcome) as error:
            log.warning("outcome rejected", error=error, body=Contents(message.body[:200]))
            await message.reject(requeue=False)
        except Exception:
            log.exception("outcome rejected", body=Contents(message.body[:200]))
            await message.reject(requeue=False)
        else:
            await message.ack()  # if this fails, the redelivery finds the mails recorded

    async def _mail(self, message: RabbitMessage) -> None:
        outcome = OutcomeMessage.decode(message.body)
        if not outcome.notify and not self._default_recipients:  # true for most outcomes of a busy system
            self._without_recipient.inc()
            return
        tries = message.headers.get(GIVEN_UP_AFTER)  # only a dead letter that an operator has moved back has it
        await self._mailer.mail(outcome, given_up_after=tries if isinstance(tries, int) else None)
