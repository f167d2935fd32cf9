"""Mails that a person asked for again: sent once, with another id, within the recipient's budget."""

import asyncio
from datetime import timedelta

from duebook_common.domain.mail import mail_topic
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.runtime.rates import Rate
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool
from duebook_common.store.mail_handling import ResendRequest, resend_mail
from support.outcomes import OPS, MailServer, OutcomeFactory, StartMailer, mail_events
from support.samples import DAY

REQUEST = ResendRequest("it got lost")


async def test_a_mail_is_sent_again_once_with_another_id(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    outcome = await outcomes.succeeded(await outcomes.run())
    key = (mail_topic(outcome.outcome, outcome.version), OPS)
    async with start_mailer() as one, start_mailer() as other:
        await one.mail(outcome)
        for _ in range(2):  # a repeated request, before it is sent
            assert await resend_mail(pool, outcome.run_id, key, REQUEST, Actor("key:a"))
        await asyncio.gather(one.retry_due(), other.retry_due())
        await one.retry_due()
        await one.mail(outcome)  # the outcome's message is delivered again
    first, second = smtp.messages
    assert first["Subject"] == second["Subject"]
    assert first["Message-ID"] != second["Message-ID"]
    assert await mail_events(pool) == ["MailResendRequested", "MailSent", "MailSent"]
    row = await pool.fetchrow("SELECT status, message_id FROM mails")
    assert tuple(row or ()) == ("sent", second["Message-ID"])
    assert (await verify(pool, DAY)).breaches == []
    assert (await rebuild(pool)).replaced == 0


async def test_a_resent_mail_beyond_the_budget_waits_for_the_digest(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    outcome = await outcomes.succeeded(await outcomes.run())
    key = (mail_topic(outcome.outcome, outcome.version), OPS)
    async with start_mailer(limit=Rate(2, timedelta(hours=1))) as mailer:
        await mailer.mail(outcome)
        for _ in range(3):
            await resend_mail(pool, outcome.run_id, key, REQUEST, Actor("key:a"))
            await mailer.retry_due()
            if await pool.fetchval("SELECT status FROM mails") == "held":
                break
    assert len(smtp.messages) == 2
    assert await pool.fetchval("SELECT status FROM mails") == "held"


async def test_a_resent_mail_that_fails_has_all_its_tries_again(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    smtp.replies = {OPS: ["550 no such user", "450 busy"]}
    outcome = await outcomes.succeeded(await outcomes.run())
    key = (mail_topic(outcome.outcome, outcome.version), OPS)
    async with start_mailer() as mailer:
        await mailer.mail(outcome)
        await resend_mail(pool, outcome.run_id, key, REQUEST, Actor("key:a"))
        await mailer.retry_due()
    row = await pool.fetchrow("SELECT status, tries FROM mails")
    assert tuple(row or ()) == ("retrying", 1)
