"""Outcomes from RabbitMQ: every delivery is settled, or comes again because its connection is gone."""

import asyncio
from types import TracebackType
from typing import Any

import structlog
from faststream import AckPolicy, BaseMiddleware
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from yarl import URL

from duebook_common.broker.messages import MessageUnreadable, OutcomeMessage
from duebook_common.broker.topology import EVENTS, MAIL_NAMED, NOTIFICATION_ARGUMENTS, NOTIFICATIONS
from duebook_common.runtime.telemetry import NOTIFICATIONS as COUNTER
from duebook_notifier.mailing import Mailing
from duebook_notifier.subject import UnknownOutcome

log = structlog.stdlib.get_logger("consumer")

_PREFETCH = 100
_ARGUMENTS: Any = NOTIFICATION_ARGUMENTS  # FastStream's own list of them is shorter than RabbitMQ's


class SettleGuard(BaseMiddleware):
    """Rejects what no handler saw, or else an unreadable delivery would keep its prefetch place for ever."""

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


async def _whole(message: RabbitMessage) -> Any:
    """The handler gets the delivery itself: its body is read by our own code only."""
    return message


class Consumer:
    """Takes outcomes from the notifications' queue and has them told."""

    def __init__(self, url: str, mailing: Mailing, *, tells_by_default: bool) -> None:
        self._mailing, self._tells_by_default = mailing, tells_by_default
        self._nobody = COUNTER.labels("nobody")
        self._broker = RabbitBroker(
            str(URL(url).update_query(heartbeat=10)),
            reconnect_interval=1,
            graceful_timeout=1,
            logger=None,
            apply_types=False,  # nothing to inject, so nothing to pay for
            middlewares=[SettleGuard],
        )
        self._subscriber = self._broker.subscriber(
            RabbitQueue(NOTIFICATIONS, queue_type=QueueType.QUORUM, routing_key=MAIL_NAMED, arguments=_ARGUMENTS),
            RabbitExchange(EVENTS, type=ExchangeType.TOPIC),
            channel=Channel(prefetch_count=_PREFETCH),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            decoder=_whole,
        )
        self._subscriber(self._receive)
        self._started = False

    async def start(self) -> None:
        """Begin to consume, once; raises what the broker raises, and may then be called again."""
        if not self._started:
            await self._broker.start()
            self._started = True

    async def check(self) -> None:
        """Raises unless connected, with the consumer registered."""
        queue, tag = self._consuming()
        if queue is None or not await self._broker.ping(0.5):
            raise ConnectionError("no connection to RabbitMQ")
        channel: Any = await queue.channel.get_underlay_channel()
        if channel.is_closed or tag not in channel.consumers:  # one of the connection before knows its consumers still
            raise ConnectionError(f"not consuming from {NOTIFICATIONS}")

    async def cancel(self) -> None:
        """Take nothing further; FastStream by itself would drain with the tap open."""
        queue, tag = self._consuming()
        if queue is not None and tag is not None and not queue.channel.is_closed:
            self._subscriber._consumer_tag = None  # noqa: SLF001 - or `close` would cancel it again
            try:
                async with asyncio.timeout(2):
                    await queue.cancel(tag)
            except Exception as error:  # away already, and then nothing comes from there either
                log.warning("consumer not cancelled", error=repr(error))

    async def close(self) -> None:
        try:
            async with asyncio.timeout(5):
                await self._broker.stop()
        except Exception as error:
            log.warning("connection not closed", error=repr(error))

    def _consuming(self) -> tuple[Any, str | None]:
        """The queue and the consumer's tag, which FastStream tells nobody."""
        return self._subscriber._queue_obj, self._subscriber._consumer_tag  # noqa: SLF001

    async def _receive(self, message: RabbitMessage) -> None:
        try:
            await self._tell(message)
        except (MessageUnreadable, UnknownOutcome) as error:
            log.warning("outcome rejected", error=repr(error), body=message.body[:200])
            await message.reject(requeue=False)
        except Exception:
            log.exception("outcome rejected", body=message.body[:200])
            await message.reject(requeue=False)
        else:
            await message.ack()  # where that fails the outcome comes again and finds its mails known

    async def _tell(self, message: RabbitMessage) -> None:
        outcome = OutcomeMessage.decode(message.body)
        if not outcome.notify and not self._tells_by_default:  # most outcomes of a busy system end here
            self._nobody.inc()
            return
        recipient = message.headers.get("recipient")  # of a dead letter that an operator moved back
        await self._mailing.tell(outcome, str(recipient) if recipient else None)
