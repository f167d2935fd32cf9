"""Sending one mail: compose it, send it by SMTP and record the result.

A crash between sending and recording sends the mail a second time, which SMTP cannot prevent. The second mail has the
same Message-ID, so that a mailbox can detect the duplicate.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import random

import structlog

from duebook_common.domain.definition import Backoff
from duebook_common.domain.mail import MailEvent, MailFailed, MailSent, message_id, parse_topic
from duebook_common.runtime.smtp import Refusal, SmtpServer, send
from duebook_common.runtime.telemetry import NOTIFICATIONS
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Clock, Pool
from duebook_common.store.mail_handling import record_mail
from duebook_common.store.resilience import retry_while_unavailable
from duebook_notifier.content import compose
from duebook_notifier.dead_letters import DeadLetterPublisher
from duebook_notifier.subject import MailSubject

log = structlog.stdlib.get_logger("mail_sender")

_AT_ONCE = 10  # SMTP sessions
_LONGEST_ERROR = 2000  # characters
_BACKOFF = Backoff(initial=timedelta(seconds=5), factor=2, max=timedelta(minutes=10), jitter=0.2)


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """How mails are sent. `default_to` are the recipients for jobs that name none; `tries` include the first."""

    server: SmtpServer
    sender: str
    default_to: tuple[str, ...] = ()
    backoff: Backoff = _BACKOFF
    tries: int = 8


class MailSender:
    """Sends mails, a limited number at once, and records the result of each."""

    def __init__(
        self, pool: Pool, clock: Clock, dead_letters: DeadLetterPublisher, policy: MailPolicy, actor: Actor
    ) -> None:
        self._pool, self._clock = pool, clock
        self._dead_letters = dead_letters
        self._policy, self._actor = policy, actor
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._recording = asyncio.Lock()  # the mails of a run share a stream: recorded at once, they would conflict

    async def send_all(self, subject: MailSubject, topic: str, tries: Mapping[str, int]) -> None:
        """Send the mail about `topic` to each recipient at once; `tries` counts the earlier tries of each.

        Raises the first error.
        """
        sends = (self._send(subject, topic, recipient, before + 1) for recipient, before in tries.items())
        for error in await asyncio.gather(*sends, return_exceptions=True):
            if error is not None:
                raise error

    async def _send(self, subject: MailSubject, topic: str, recipient: str, tries: int) -> None:
        event = await self._try(subject, topic, recipient, tries)
        record = partial(record_mail, self._pool, subject.id, subject.job_id, event, self._actor)
        async with self._recording:
            recorded = await retry_while_unavailable("recording a mail", record, also=(Conflict,))
        if recorded:
            _report(subject, event)

    async def _try(self, subject: MailSubject, topic: str, recipient: str, tries: int) -> MailEvent:
        """Try to send the mail; `tries` includes this try. Returns the event to record."""
        id_ = message_id(subject.id, topic, recipient)
        async with self._slots:
            refusal = await self._compose_and_send(subject, topic, recipient, id_)
        now = self._clock.now()
        if refusal is None:
            return MailSent(outcome=topic, recipient=recipient, message_id=id_, at=now)
        failed = MailFailed(
            outcome=topic,
            recipient=recipient,
            message_id=id_,
            error=refusal.error[:_LONGEST_ERROR],
            tries=tries,
            retry_at=now + self._policy.backoff.delay(tries, random()),
            at=now,
        )
        give_up = refusal.permanent or tries >= self._policy.tries
        # A mail is given up only once its dead letter is confirmed; until then it stays a due row.
        if give_up and await self._dead_letters.publish(subject, failed):
            return replace(failed, retry_at=None)
        return failed

    async def _compose_and_send(self, subject: MailSubject, topic: str, recipient: str, id_: str) -> Refusal | None:
        outcome, _ = parse_topic(topic)
        sender, now = self._policy.sender, self._clock.now()
        try:
            mail = compose(subject, outcome, sender=sender, recipient=recipient, message_id=id_, now=now)
            return await send(self._policy.server, mail, sender, recipient)
        except ValueError as error:  # an invalid address, or text that a mail cannot carry
            return Refusal(str(error), permanent=True)
        except Exception as error:  # a bug of ours: retried like any other failure, and a dead letter in the end
            log.exception("mail not sent", run_id=str(subject.id))
            return Refusal(repr(error), permanent=False)


def _report(subject: MailSubject, event: MailEvent) -> None:
    """Count and log the result of a try."""
    if isinstance(event, MailSent):
        status, error = "sent", None
    else:
        status, error = "retrying" if event.retry_at else "given_up", event.error
    NOTIFICATIONS.labels(status).inc()
    level = log.info if error is None else log.warning
    level(
        "mail", status=status, run_id=str(subject.id), outcome=event.outcome, message_id=event.message_id, error=error
    )
