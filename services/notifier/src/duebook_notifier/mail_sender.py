"""Sending one mail: send it by SMTP and record the result.

A crash between sending and recording sends the mail a second time, which SMTP cannot prevent. The second mail has the
same Message-ID, so that a mailbox can detect the duplicate.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import random
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from duebook_common.broker.messages import OutcomeMessage
from duebook_common.domain.definition import Backoff
from duebook_common.domain.mail import (
    Mail,
    MailDigested,
    MailEvent,
    MailFailed,
    MailHeld,
    MailResendRequested,
    MailSent,
    digest_id,
    message_id,
    parse_topic,
)
from duebook_common.runtime.log_errors import Contents
from duebook_common.runtime.mail_domains import ALL_DOMAINS, MailDomains
from duebook_common.runtime.rates import Rate
from duebook_common.runtime.smtp import Refusal, SmtpServer, send
from duebook_common.runtime.telemetry import NOTIFICATIONS
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Clock, Pool
from duebook_common.store.mail_handling import MailResult, record_mails
from duebook_common.store.resilience import retry_while_unavailable
from duebook_notifier.background import Background
from duebook_notifier.content import compose
from duebook_notifier.dead_letters import DeadLetter, DeadLetterPublisher
from duebook_notifier.fair_slots import FairSlots
from duebook_notifier.links import NO_LINKS, Links
from duebook_notifier.mail_text import MailText
from duebook_notifier.outcome_text import mail_text
from duebook_notifier.subject import MailSubject

log = structlog.stdlib.get_logger("mail_sender")

_REPLY_CODE = re.compile(r"[245]\d\d\b")  # of an SMTP server; what follows may name the recipient

_AT_ONCE = 10  # SMTP sessions
_LONGEST_ERROR = 2000  # characters
_BACKOFF = Backoff(initial=timedelta(seconds=5), factor=2, max=timedelta(minutes=10), jitter=0.2)
NO_IDS: Mapping[str, str] = {}
_RECORDED_AT_ONCE = 500  # mails that a digest tells


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """How mails are sent. `default_to` are the recipients for jobs that name none; `tries` include the first.

    `limit` is how many mails one recipient gets in some time, counted from the first of them.
    """

    server: SmtpServer
    sender: str
    default_to: tuple[str, ...] = ()
    backoff: Backoff = _BACKOFF
    tries: int = 8
    limit: Rate | None = None
    domains: MailDomains = ALL_DOMAINS
    links: Links = NO_LINKS


@dataclass(frozen=True, slots=True)
class Report:
    """What the mails about one outcome tell; `topic` names the outcome."""

    subject: MailSubject
    topic: str
    background: Background

    def text(self, links: Links) -> MailText:
        return mail_text(self.subject, parse_topic(self.topic)[0], links, self.background)

    def result(self, event: MailEvent) -> MailResult:
        return MailResult(self.subject.id, self.subject.job_id, event)


class MailSender:
    """Sends mails, a limited number at once and fairly between jobs, and records the result of each."""

    def __init__(
        self, pool: Pool, clock: Clock, dead_letters: DeadLetterPublisher, policy: MailPolicy, actor: Actor
    ) -> None:
        self._pool, self._clock = pool, clock
        self._dead_letters = dead_letters
        self._policy, self._actor = policy, actor
        self._slots = FairSlots(_AT_ONCE)
        # The mails of a run share a stream: recorded at once, they would conflict.
        self._recording: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def send_all(self, report: Report, tries: Mapping[str, int], ids: Mapping[str, str] = NO_IDS) -> None:
        """Send the mail to each recipient at once; `tries` counts the earlier tries of each.

        `ids` are Message-IDs of mails that were recorded before. Raises the first error.
        """
        sends = (self._send(report, to, before + 1, ids.get(to)) for to, before in tries.items())
        for error in await asyncio.gather(*sends, return_exceptions=True):
            if error is not None:
                raise error

    async def hold_all(self, report: Report, until: Mapping[str, datetime]) -> None:
        """Record for each recipient that a digest tells the outcome, and when it is due."""
        held = [
            MailHeld(
                outcome=report.topic,
                recipient=recipient,
                message_id=message_id(report.subject.id, report.topic, recipient),
                until=due,
                at=self._clock.now(),
            )
            for recipient, due in until.items()
        ]
        if held:
            await self._record(report.subject.id, [report.result(event) for event in held])

    async def send_digest(self, recipient: str, mails: Sequence[Mail], text: MailText) -> None:
        """Send one mail that tells what these held mails would have told, and record that of each."""
        until = min(mail.wake_at for mail in mails if mail.wake_at)
        id_ = digest_id(recipient, until, (mail.message_id for mail in mails))
        async with self._slots.slot(recipient):
            refusal = await self._compose_and_send(lambda: text, recipient, id_)
        now = self._clock.now()
        if refusal is None:
            events: list[MailEvent] = [
                MailDigested(outcome=mail.outcome, recipient=recipient, message_id=id_, at=now) for mail in mails
            ]
        else:
            events = await self._after_failed_digest(mails, refusal, now)
        results = [MailResult(mail.run_id, mail.job_id, event) for mail, event in zip(mails, events, strict=True)]
        for start in range(0, len(results), _RECORDED_AT_ONCE):
            await self._record(recipient, results[start : start + _RECORDED_AT_ONCE])

    async def _after_failed_digest(self, mails: Sequence[Mail], refusal: Refusal, now: datetime) -> list[MailEvent]:
        """All mails of the digest are held on, or given up once their dead letters are confirmed."""
        tries = max(mail.tries for mail in mails) + 1
        error, retry_at = refusal.error[:_LONGEST_ERROR], now + self._policy.backoff.delay(tries, random())
        about = [
            {"outcome": mail.outcome, "recipient": mail.recipient, "message_id": mail.message_id} for mail in mails
        ]
        failed = [MailFailed(**each, error=error, tries=tries, retry_at=None, at=now) for each in about]
        if self._gives_up(refusal, tries):
            dead_letters = [_dead_letter_of(mail, event) for mail, event in zip(mails, failed, strict=True)]
            if await self._dead_letters.publish(dead_letters):
                return [*failed]
        return [MailHeld(**each, until=retry_at, at=now, tries=tries, error=error) for each in about]

    async def _send(self, report: Report, recipient: str, tries: int, known_id: str | None) -> None:
        id_ = known_id or message_id(report.subject.id, report.topic, recipient)
        async with self._slots.slot(report.subject.job_id):
            event = await self._try(report, recipient, tries, id_)
            await self._record(report.subject.id, [report.result(event)])

    async def _record(self, key: Any, results: Sequence[MailResult]) -> None:
        record = partial(record_mails, self._pool, results, self._actor)
        lock = self._recording.setdefault(key, asyncio.Lock())
        async with lock:
            recorded = await retry_while_unavailable("recording a mail", record, also=(Conflict,))
        for result in recorded:
            _report(result)

    async def _try(self, report: Report, recipient: str, tries: int, id_: str) -> MailEvent:
        """Try to send the mail; `tries` includes this try. Returns the event to record."""
        refusal = await self._compose_and_send(partial(report.text, self._policy.links), recipient, id_)
        now = self._clock.now()
        if refusal is None:
            return MailSent(outcome=report.topic, recipient=recipient, message_id=id_, at=now)
        failed = MailFailed(
            outcome=report.topic,
            recipient=recipient,
            message_id=id_,
            error=refusal.error[:_LONGEST_ERROR],
            tries=tries,
            retry_at=now + self._policy.backoff.delay(tries, random()),
            at=now,
        )
        # A mail is given up only once its dead letter is confirmed; until then it stays a due row.
        if self._gives_up(refusal, tries) and await self._dead_letters.publish([_dead_letter(report.subject, failed)]):
            return replace(failed, retry_at=None)
        return failed

    def _gives_up(self, refusal: Refusal, tries: int) -> bool:
        return refusal.permanent or tries >= self._policy.tries

    async def _compose_and_send(self, text: Callable[[], MailText], recipient: str, id_: str) -> Refusal | None:
        sender = self._policy.sender
        try:
            self._policy.domains.must_allow(recipient)
            mail = compose(text(), sender=sender, recipient=recipient, message_id=id_, now=self._clock.now())
            return await send(self._policy.server, mail, sender, recipient)
        except ValueError as error:  # an address that is invalid or not allowed, or text that a mail cannot carry
            return Refusal(str(error), permanent=True)
        except Exception as error:  # a bug of ours: retried like any other failure, and a dead letter in the end
            log.exception("mail not sent", message_id=Contents(id_))
            return Refusal(repr(error), permanent=False)


def _dead_letter(subject: MailSubject, failed: MailFailed) -> DeadLetter:
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
    return DeadLetter(message, failed)


def _dead_letter_of(mail: Mail, failed: MailFailed) -> DeadLetter:
    outcome, version = parse_topic(failed.outcome)
    message = OutcomeMessage(
        run_id=mail.run_id, job_id=mail.job_id, outcome=outcome, attempt=0, version=version, at=failed.at, notify=True
    )
    return DeadLetter(message, failed)


def _report(result: MailResult) -> None:
    """Count and log what became of a mail."""
    event = result.event
    match event:
        case MailSent():
            status, error = "sent", None
        case MailDigested():
            status, error = "in_digest", None
        case MailHeld():
            status, error = "held", event.error
        case MailFailed():
            status, error = "retrying" if event.retry_at else "given_up", event.error
        case MailResendRequested():  # the api records these
            return
    NOTIFICATIONS.labels(status).inc()
    level = log.info if error is None else log.warning
    reply = None if error is None else _REPLY_CODE.match(error)
    level(
        "mail", status=status, run_id=str(result.run_id), outcome=event.outcome, reply=reply and reply[0],
        message_id=Contents(event.message_id), error=error and Contents(error),
    )  # fmt: skip
