"""From an outcome to its mails: each sent once, retried later, or given up as a dead letter."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from uuid import UUID

import structlog
from redis.asyncio import Redis

from duebook_common.broker.messages import OutcomeMessage
from duebook_common.domain.addresses import mailable
from duebook_common.domain.mail import Mail, MailStatus, is_to_resend, mail_topic, parse_topic, tries_of, wants_mail
from duebook_common.runtime.telemetry import NOTIFICATIONS
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Clock, Pool, acquire
from duebook_common.store.mail_budgets import take
from duebook_common.store.mail_projection import load_mails
from duebook_common.store.mails_owed import OwedMail, claim_owed, settle
from duebook_common.store.resilience import retry_while_unavailable
from duebook_notifier.background import load_background
from duebook_notifier.fair_slots import FairSlots
from duebook_notifier.mail_lock import mail_lock
from duebook_notifier.mail_sender import MailPolicy, MailSender, Report
from duebook_notifier.single_flight import SingleFlight
from duebook_notifier.subject import MailSubject, MissedOccurrences, UnknownOutcome, load_subject

log = structlog.stdlib.get_logger("outcome_mailer")

Outcome = OutcomeMessage | OwedMail  # both have its run, its job, what it is, and the version of its event
# Where a server stalls, a batch with one recipient each is over within five minutes (`MAIL_SECONDS`), and others come.
_DUE_BATCH = 30
_AT_ONCE = 8  # outcomes that are looked up in the database

_RUN_IS_ERASED = "SELECT erased_at IS NOT NULL FROM runs WHERE run_id = $1"
_JOB_IS_ERASED = "SELECT erased_at IS NOT NULL FROM jobs WHERE job_id = $1"
_DUE = "SELECT * FROM mails WHERE status = 'retrying' AND wake_at <= $1 ORDER BY wake_at LIMIT $2"


class OutcomeMailer:
    """Decides which mails an outcome needs and has each sent once, with any number of notifiers."""

    def __init__(
        self, pool: Pool, clock: Clock, redis: Redis, in_flight: SingleFlight, sender: MailSender,
        policy: MailPolicy,
    ) -> None:  # fmt: skip
        self._pool, self._clock, self._redis = pool, clock, redis
        self._in_flight, self._sender = in_flight, sender
        self._policy, self._lookups = policy, FairSlots(_AT_ONCE)

    async def mail(self, message: Outcome, *, given_up_after: int | None = None) -> None:
        """Try each mail about the outcome that was not tried before; a failed mail becomes a due row.

        With `given_up_after`, try only the mails once more that were given up after so many tries: all dead letters of
        the outcome may be moved back, and each mail is tried once for all of them. Raises UnknownOutcome.
        """
        key = (message.run_id, message.outcome, message.version, given_up_after)
        work = partial(
            retry_while_unavailable,
            "mailing an outcome",
            partial(self._mail, message, given_up_after),
            also=(Conflict,),
        )
        await self._in_flight.run(key, work)

    async def _mail(self, message: Outcome, given_up_after: int | None) -> None:
        await self._send_missing(message, given_up_after)
        if given_up_after is None:
            await self._settle(message)

    async def _settle(self, message: Outcome) -> None:
        async with acquire(self._pool) as db:
            await settle(db, message.run_id, message.outcome, message.version)

    async def _send_missing(self, message: Outcome, given_up_after: int | None) -> None:
        async with self._lookups.slot(message.job_id):
            subject = await self._load_subject(message.run_id, message.job_id, message.outcome, message.version)
        recipients = self._recipients(subject, message.outcome)
        if not recipients and given_up_after is None:
            NOTIFICATIONS.labels("nobody").inc()
            return
        topic = mail_topic(message.outcome, message.version)
        async with mail_lock(self._redis, subject.id, wait=True):
            async with self._lookups.slot(message.job_id):
                tries = await self._missing(subject, topic, recipients, given_up_after)
                report = await self._report(subject, topic) if tries else None
                held = await self._over_limit(tries) if tries and given_up_after is None else {}
            if report is not None:
                await self._sender.hold_all(report, held)
                await self._sender.send_all(report, {to: count for to, count in tries.items() if to not in held})

    async def _missing(
        self, subject: MailSubject, topic: str, recipients: Iterable[str], given_up_after: int | None
    ) -> dict[str, int]:
        """The recipients that the mail is to be sent to now, and how often that was tried.

        Those of these recipients with no try so far, or else all whose mail was given up after so many tries.
        """
        known = await self._load_mails(subject.id)
        tried = {mail.recipient: mail for (of, _), mail in known.items() if of == topic}
        if given_up_after is None:
            missing = {recipient: tries_of(None) for recipient in recipients if recipient not in tried}
        else:
            given_up = (mail for mail in tried.values() if mail.status is MailStatus.GIVEN_UP)
            missing = {mail.recipient: mail.tries for mail in given_up if mail.tries == given_up_after}
        return {} if missing and await self._is_erased(subject) else missing

    async def _is_erased(self, subject: MailSubject) -> bool:
        """Whether its recipients and its mails were erased with it: a message that comes again finds none of them."""
        of_job = isinstance(subject, MissedOccurrences)
        question, id_ = (_JOB_IS_ERASED, subject.job_id) if of_job else (_RUN_IS_ERASED, subject.id)
        async with acquire(self._pool) as db:
            return bool(await db.fetchval(question, id_))

    async def _over_limit(self, recipients: Iterable[str]) -> dict[str, datetime]:
        """Take one mail from each recipient's budget; those that had none left, and when their digest is due."""
        limit = self._policy.limit
        if limit is None:
            return {}
        budgets = {recipient: _budget(recipient) for recipient in recipients}
        async with acquire(self._pool) as db:
            over = await take(db, budgets.values(), self._clock.now(), limit.count, limit.per)
        return {recipient: over[budget] for recipient, budget in budgets.items() if budget in over}

    async def mail_owed(self) -> int:
        """Mail outcomes whose message RabbitMQ did not bring in time; returns how many were looked at."""
        async with acquire(self._pool) as db:
            owed = await claim_owed(db, self._clock.now(), _DUE_BATCH)
        await asyncio.gather(*map(self._mail_alone, owed))
        return len(owed)

    async def _mail_alone(self, owed: OwedMail) -> None:
        """Mail one outcome; if that fails it is tried again later, without concern to the others."""
        try:
            await self.mail(owed)
        except UnknownOutcome:  # a database restored in part: nothing is left to tell
            await self._settle(owed)
        except Exception as error:
            log.warning("owed mail not sent", run_id=str(owed.run_id), outcome=owed.outcome, error=error)

    async def retry_due(self) -> int:
        """Retry the mails whose `wake_at` has passed; returns how many were tried."""
        async with acquire(self._pool) as db:
            rows = await db.fetch(_DUE, self._clock.now(), _DUE_BATCH)
        run_ids = {row["run_id"] for row in rows}
        retries = (self._in_flight.run(("due", run_id), partial(self._retry, run_id)) for run_id in run_ids)
        return sum(await asyncio.gather(*retries))

    async def _retry(self, run_id: UUID) -> int:
        """Retry the due mails of one run, unless another notifier is at it."""
        async with mail_lock(self._redis, run_id, wait=False) as held:
            if not held:
                return 0
            now, known = self._clock.now(), await self._load_mails(run_id)
            retrying = (mail for mail in known.values() if mail.status is MailStatus.RETRYING)
            due = sorted((mail for mail in retrying if mail.wake_at and mail.wake_at <= now), key=_topic)
            for topic, mails in groupby(due, _topic):
                group = list(mails)
                subject = await self._load_subject(run_id, group[0].job_id, *parse_topic(topic))
                await self._retry_group(await self._report(subject, topic), group)
            return len(due)

    async def _retry_group(self, report: Report, mails: Sequence[Mail]) -> None:
        """Try these mails about one outcome. What a person asked for again takes from the recipient's budget."""
        to_resend = [mail.recipient for mail in mails if is_to_resend(mail)]
        held = await self._over_limit(to_resend) if to_resend else {}
        await self._sender.hold_all(report, held)
        to_send = [mail for mail in mails if mail.recipient not in held]
        ids = {mail.recipient: mail.message_id for mail in to_send}
        await self._sender.send_all(report, {mail.recipient: mail.tries for mail in to_send}, ids)

    async def _load_mails(self, run_id: UUID) -> dict[tuple[str, str], Mail]:
        async with acquire(self._pool) as db:
            return await load_mails(db, run_id)

    async def _load_subject(self, run_id: UUID, job_id: UUID, outcome: str, version: int) -> MailSubject:
        async with acquire(self._pool) as db:
            return await load_subject(db, run_id, job_id, outcome, version)

    async def _report(self, subject: MailSubject, topic: str) -> Report:
        async with acquire(self._pool) as db:
            return Report(subject, topic, await load_background(db, subject, parse_topic(topic)[0]))

    def _recipients(self, subject: MailSubject, outcome: str) -> tuple[str, ...]:
        """The recipients that the job names, or else the settings; each once."""
        if not wants_mail(subject.notify, outcome, subject.reason):
            return ()
        return tuple(dict.fromkeys(subject.notify.to or self._policy.default_to))


def _budget(recipient: str) -> str:
    """The same for all spellings of one address that differ in case, or in the form of an international domain."""
    try:
        return mailable(recipient).lower()
    except ValueError:
        return recipient


def _topic(mail: Mail) -> str:
    return mail.outcome
