"""Digests: once its time has come, one mail tells a recipient all outcomes that were beyond the limit."""

import asyncio
from collections.abc import Sequence
from functools import partial
from uuid import UUID, uuid5

from redis.asyncio import Redis

from duebook_common.domain.mail import Mail, parse_topic
from duebook_common.store.database import Clock, Pool, acquire
from duebook_common.store.mail_budgets import expire
from duebook_common.store.mail_projection import mail_of
from duebook_notifier.digest_text import MOST_CAUSES, ErrorGroup, digest_text
from duebook_notifier.links import Links
from duebook_notifier.mail_lock import mail_lock
from duebook_notifier.mail_sender import MailSender
from duebook_notifier.single_flight import SingleFlight

_RECIPIENTS = 20  # of one step
MOST_IN_DIGEST = 10_000
_NAMESPACE = UUID("9a0d9f5e-6a1c-5b0e-8d7e-3f0c7a51c2b4")  # of the locks of recipients

_DUE = """
SELECT recipient FROM mails WHERE status = 'held' AND wake_at <= $1 GROUP BY recipient ORDER BY min(wake_at) LIMIT $2
"""
_HELD = """
SELECT * FROM mails WHERE recipient = $1 AND status = 'held' AND wake_at <= $2 ORDER BY wake_at, run_id LIMIT $3
"""
_NAMES = "SELECT job_id, name FROM jobs WHERE job_id = ANY($1::uuid[])"
_GROUPS = f"""
SELECT fingerprint, (array_agg(left(error, 1000) ORDER BY finished_at DESC))[1] AS error, count(*) AS dead_letters,
       count(DISTINCT job_id) AS jobs, min(finished_at) AS since
FROM runs WHERE run_id = ANY($1::uuid[]) AND status = 'dead_lettered' AND fingerprint IS NOT NULL
GROUP BY fingerprint ORDER BY dead_letters DESC, fingerprint LIMIT {MOST_CAUSES}
"""  # noqa: S608


class DigestMailer:
    """Sends the digests that are due, each once, with any number of notifiers."""

    def __init__(
        self, pool: Pool, clock: Clock, redis: Redis, in_flight: SingleFlight, sender: MailSender, links: Links
    ) -> None:
        self._pool, self._clock, self._redis = pool, clock, redis
        self._in_flight, self._sender, self._links = in_flight, sender, links

    async def send_due(self) -> int:
        """Send the digests whose time has come; returns how many there were."""
        async with acquire(self._pool) as db:
            recipients = [row["recipient"] for row in await db.fetch(_DUE, self._clock.now(), _RECIPIENTS)]
        sends = (self._in_flight.run(("digest", each), partial(self._send, each)) for each in recipients)
        await asyncio.gather(*sends)
        return len(recipients)

    async def forget(self) -> int:
        """Delete the budgets whose time is over."""
        async with acquire(self._pool) as db:
            await expire(db, self._clock.now())
        return 0

    async def _send(self, recipient: str) -> None:
        """Send one digest, unless another notifier is at it."""
        async with mail_lock(self._redis, uuid5(_NAMESPACE, recipient), wait=False) as held:
            mails = await self._held(recipient) if held else []
            if mails:
                names = await self._names({mail.job_id for mail in mails})
                text = digest_text(mails, names, self._links, await self._groups(mails))
                await self._sender.send_digest(recipient, mails, text)

    async def _held(self, recipient: str) -> list[Mail]:
        async with acquire(self._pool) as db:
            return [mail_of(row) for row in await db.fetch(_HELD, recipient, self._clock.now(), MOST_IN_DIGEST)]

    async def _names(self, job_ids: set[UUID]) -> dict[UUID, str]:
        async with acquire(self._pool) as db:
            return {row["job_id"]: row["name"] for row in await db.fetch(_NAMES, list(job_ids))}

    async def _groups(self, mails: Sequence[Mail]) -> list[ErrorGroup]:
        run_ids = {mail.run_id for mail in mails if parse_topic(mail.outcome)[0] == "dead_lettered"}
        async with acquire(self._pool) as db:
            return [ErrorGroup(**row) for row in await db.fetch(_GROUPS, list(run_ids))]
