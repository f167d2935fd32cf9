"""Which mails an outcome causes: each once, with any number of mailers, and only to recipients that want it."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from duebook_common.store.database import Pool
from duebook_notifier.subject import UnknownOutcome
from support.outcomes import OPS, MailServer, OutcomeFactory, StartMailer, mail_events, mail_status

NO_REDIS = "redis://127.0.0.1:1/0"


async def test_a_repeated_outcome_is_mailed_once(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    success = await outcomes.succeeded(await outcomes.run())
    async with start_mailer() as first, start_mailer() as second:
        await asyncio.gather(*(mailer.mail(success) for mailer in (first, second) * 5))
        await first.mail(success)
    assert len(smtp.messages) == 1
    assert await mail_events(pool) == ["MailSent"]


async def test_without_redis_two_mailers_record_a_mail_once_and_share_its_id(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    to = tuple(f"{n}@example.com" for n in range(8))
    success = await outcomes.succeeded(await outcomes.run(*to))
    async with start_mailer(NO_REDIS) as first, start_mailer(NO_REDIS) as second:
        await asyncio.gather(first.mail(success), second.mail(success))
    assert await mail_events(pool) == ["MailSent"] * 8
    assert len({mail["Message-ID"] for mail in smtp.messages}) == 8
    assert set(smtp.to()) == set(to)


async def test_each_failed_attempt_is_an_outcome_of_its_own(
    outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    failed = await outcomes.failed(await outcomes.run(max_retries=1))
    unwanted = await outcomes.failed(await outcomes.run(max_retries=1, on=("succeeded",)))
    async with start_mailer() as mailer:
        await mailer.mail(failed)
        await mailer.mail(unwanted)
    assert smtp.subjects() == ["[Duebook] nightly report failed in attempt 1 and will be retried"]


async def test_missed_occurrences_are_mailed_only_if_the_job_wants_it(
    outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    async with start_mailer() as mailer:
        await mailer.mail(await outcomes.missed(OPS, on=("succeeded", "dead_lettered", "skipped")))
    assert smtp.messages == []


async def test_an_outcome_that_is_not_in_the_log_is_not_mailed(
    outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    missed = await outcomes.missed(OPS)
    async with start_mailer() as mailer:
        for wrong in (replace(missed, version=1), replace(missed, version=9), replace(missed, run_id=uuid4())):
            with pytest.raises(UnknownOutcome):
                await mailer.mail(wrong)
    assert smtp.messages == []


async def test_outcomes_of_runs_that_had_to_wait_are_mailed_like_others(
    outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    cancelled = await outcomes.cancelled(await outcomes.waiting_run(on=("cancelled",)))
    skipped = await outcomes.expired(await outcomes.waiting_run(on=("skipped",)))
    failed = await outcomes.failed(await outcomes.admitted(await outcomes.waiting_run(on=("attempt_failed",))))
    unwanted = await outcomes.cancelled(await outcomes.waiting_run(on=("skipped", "missed")))
    async with start_mailer() as mailer:
        for message in (cancelled, skipped, failed, unwanted):
            await mailer.mail(message)
    assert smtp.subjects() == [
        "[Duebook] nightly report was cancelled (no longer needed)",
        "[Duebook] nightly report was skipped (deadline)",
        "[Duebook] nightly report failed in attempt 1 and will be retried",
    ]


async def test_without_rabbitmq_no_mail_is_given_up(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    smtp.replies[OPS] = ["550 no such user"]
    success = await outcomes.succeeded(await outcomes.run())
    async with start_mailer() as mailer:
        await mailer.mail(success)
        assert await mail_status(pool, success) == "retrying"
        while not await mailer.retry_due():
            await asyncio.sleep(0.02)
    assert await mail_status(pool, success) == "sent"
