"""From an outcome to mails that are known to have arrived, are to be tried again, or rest as dead letters."""

import asyncio
from functools import partial
from itertools import groupby
from uuid import UUID

from redis.asyncio import Redis

from duebook_common.broker.messages import OutcomeMessage
from duebook_common.domain.mail import Mail, MailStatus, outcome_key, outcome_of, tries_of, wanted
from duebook_common.runtime.telemetry import NOTIFICATIONS
from duebook_common.store.database import Clock, Pool, acquire
from duebook_common.store.job_handling import Conflict
from duebook_common.store.mail_projection import load_mails
from duebook_common.store.resilience import retry_while_unavailable
from duebook_notifier.locking import mail_lock
from duebook_notifier.sending import Sender
from duebook_notifier.single_flight import SingleFlight
from duebook_notifier.subject import News, look_up

_DUE_BATCH = 100

_DUE = "SELECT * FROM mails WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2"


class Mailing:
    """Decides who is mailed of what, each once; any number of notifiers may do so beside each other."""

    def __init__(
        self, pool: Pool, clock: Clock, redis: Redis, passes: SingleFlight, sender: Sender, default_to: tuple[str, ...]
    ) -> None:
        self._pool, self._clock, self._redis = pool, clock, redis
        self._passes, self._sender, self._default_to = passes, sender, default_to

    async def tell(self, message: OutcomeMessage, again: str | None = None) -> None:
        """Mail everybody who wants to know of the outcome and whom no mail of it was tried for; failures are due rows.

        `again` is the recipient of a mail that was given up and is to be tried once more. Raises UnknownOutcome.
        """
        work = partial(retry_while_unavailable, partial(self._tell, message, again), also=(Conflict,))
        await self._passes.run((message.run_id, message.outcome, message.version, again), work)

    async def _tell(self, message: OutcomeMessage, again: str | None) -> None:
        news = await self._look_up(message.run_id, message.job_id, message.outcome, message.version)
        recipients = (again,) if again else self._recipients(news, message.outcome)
        if not recipients:
            NOTIFICATIONS.labels("nobody").inc()
            return
        key = outcome_key(message.outcome, message.version)
        async with mail_lock(self._redis, news.id, wait=True):
            known = await self._known(news.id)
            mails = {recipient: known.get((key, recipient)) for recipient in recipients}
            tries = {recipient: tries_of(mail) for recipient, mail in mails.items() if _open(mail, again)}
            await self._sender.send_all(news, key, tries)

    async def retry_due(self) -> int:
        """Try again what is due; returns how many mails that were."""
        async with acquire(self._pool) as db:
            rows = await db.fetch(_DUE, self._clock.now(), _DUE_BATCH)
        run_ids = {row["run_id"] for row in rows}
        tried = (self._passes.run(("due", run_id), partial(self._retry, run_id)) for run_id in run_ids)
        return sum(await asyncio.gather(*tried))

    async def _retry(self, run_id: UUID) -> int:
        """Try again what is due of one run, unless another is at it."""
        async with mail_lock(self._redis, run_id, wait=False) as held:
            if not held:
                return 0
            now, known = self._clock.now(), await self._known(run_id)
            due = sorted((mail for mail in known.values() if mail.wake_at and mail.wake_at <= now), key=_key)
            for key, mails in groupby(due, _key):
                group = list(mails)
                news = await self._look_up(run_id, group[0].job_id, *outcome_of(key))
                await self._sender.send_all(news, key, {mail.recipient: mail.tries for mail in group})
            return len(due)

    async def _known(self, run_id: UUID) -> dict[tuple[str, str], Mail]:
        async with acquire(self._pool) as db:
            return await load_mails(db, run_id)

    async def _look_up(self, run_id: UUID, job_id: UUID, outcome: str, version: int) -> News:
        async with acquire(self._pool) as db:
            return await look_up(db, run_id, job_id, outcome, version)

    def _recipients(self, news: News, outcome: str) -> tuple[str, ...]:
        """Whom the job, or else the settings, want to be told; each once."""
        if not wanted(news.notify, outcome, news.reason):
            return ()
        return tuple(dict.fromkeys(news.notify.to or self._default_to))


def _key(mail: Mail) -> str:
    return mail.outcome


def _open(mail: Mail | None, again: str | None) -> bool:
    """Never tried; or, where one is asked for again, given up."""
    return mail is None if again is None else mail is not None and mail.status is MailStatus.GIVEN_UP
