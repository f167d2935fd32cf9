"""One mail: composed, handed over, and what became of it recorded.

What the server took is recorded right afterwards. A crash between the two sends the mail a second time, which nobody
can prevent; it carries the same Message-ID then, so that a mailbox can tell.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import random

import structlog

from duebook_common.domain.definition import Backoff
from duebook_common.domain.mail import MailEvent, MailFailed, MailSent, message_id, outcome_of
from duebook_common.runtime.smtp import Refusal, Server, send
from duebook_common.runtime.telemetry import NOTIFICATIONS
from duebook_common.store.database import Clock, Pool
from duebook_common.store.job_handling import Actor, Conflict
from duebook_common.store.mail_handling import record_mail
from duebook_common.store.resilience import retry_while_unavailable
from duebook_notifier.content import compose
from duebook_notifier.dead_letters import DeadLetterPublisher
from duebook_notifier.subject import News

log = structlog.stdlib.get_logger("sending")

_AT_ONCE, _LONGEST_ERROR = 10, 2000
_BACKOFF = Backoff(initial=timedelta(seconds=5), factor=2, max=timedelta(minutes=10), jitter=0.2)


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """Through which server, from whom, to whom where a job names nobody, and how often with which pauses."""

    server: Server
    sender: str
    default_to: tuple[str, ...] = ()
    backoff: Backoff = _BACKOFF
    tries: int = 8


class Sender:
    """Sends mails, at most some at once, and records what became of each."""

    def __init__(self, pool: Pool, clock: Clock, letters: DeadLetterPublisher, terms: MailPolicy, actor: Actor) -> None:
        self._pool, self._clock, self._letters, self._terms, self._actor = pool, clock, letters, terms, actor
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._recording = asyncio.Lock()  # else the mails of one run, done at the same time, outrun each other

    async def send_all(self, news: News, key: str, tries: Mapping[str, int]) -> None:
        """Try the mail for each recipient, tried that often before; none waits for another."""
        sends = (self._send(news, key, recipient, before + 1) for recipient, before in tries.items())
        answers = await asyncio.gather(*sends, return_exceptions=True)
        for answer in answers:
            if answer is not None:
                raise answer

    async def _send(self, news: News, key: str, recipient: str, tries: int) -> None:
        told = await self._try(news, key, recipient, tries)
        async with self._recording:
            record = partial(record_mail, self._pool, news.id, news.job_id, told, self._actor)
            fresh = await retry_while_unavailable(record, also=(Conflict,))
        if fresh:
            _count(news, told)

    async def _try(self, news: News, key: str, recipient: str, tries: int) -> MailEvent:
        id_ = message_id(news.id, key, recipient)
        async with self._slots:
            refusal = await self._hand_over(news, key, recipient, id_)
        now = self._clock.now()
        if refusal is None:
            return MailSent(outcome=key, recipient=recipient, message_id=id_, at=now)
        failed = MailFailed(
            outcome=key,
            recipient=recipient,
            message_id=id_,
            error=refusal.error[:_LONGEST_ERROR],
            tries=tries,
            retry_at=now + self._terms.backoff.delay(tries, random()),
            at=now,
        )
        hopeless = refusal.permanent or tries >= self._terms.tries
        # Given up only when the dead letter is known to rest in its queue: till then the due row keeps the mail alive.
        return replace(failed, retry_at=None) if hopeless and await self._letters.bury(news, failed) else failed

    async def _hand_over(self, news: News, key: str, recipient: str, id_: str) -> Refusal | None:
        outcome, _ = outcome_of(key)
        sender = self._terms.sender
        try:
            mail = compose(news, outcome, sender=sender, recipient=recipient, message_id=id_, now=self._clock.now())
            return await send(self._terms.server, mail, sender, recipient)
        except ValueError as error:  # not an address, or nothing that a mail can carry
            return Refusal(str(error), permanent=True)
        except Exception as error:  # our own mistake: as due as any other, and a dead letter in the end
            log.exception("mail not sent", run_id=str(news.id))
            return Refusal(repr(error), permanent=False)


def _count(news: News, told: MailEvent) -> None:
    if isinstance(told, MailSent):
        word, error = "sent", None
    else:
        word, error = "retrying" if told.retry_at else "given_up", told.error
    NOTIFICATIONS.labels(word).inc()
    level = log.info if error is None else log.warning
    level("mail", status=word, run_id=str(news.id), outcome=told.outcome, message_id=told.message_id, error=error)
