"""Which mails an outcome causes: each once, with any number of mailers, and only to recipients that want it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from html import unescape
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from duebook_common.domain.job.commands import DeleteJob
from duebook_common.store.database import Pool
from duebook_common.store.erasure import erase_job, erase_runs, erase_runs_of_a_job
from duebook_common.store.job_handling import handle_job
from duebook_notifier.links import Links
from duebook_notifier.subject import UnknownOutcome
from support.bookkeeping import ACTOR
from support.contents import read_the_log
from support.outcomes import NOW, OPS, MailServer, OutcomeFactory, StartMailer, mail_events, mail_status

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


async def test_a_repeated_outcome_of_an_erased_run_is_not_mailed_again(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    success = await outcomes.succeeded(await outcomes.run("jane@example.com"))
    async with start_mailer(default_to=(OPS,)) as mailer:
        await mailer.mail(success)
        await read_the_log(pool)
        [result] = (await erase_runs(pool, [success.run_id], None, NOW, ACTOR)).values()
        assert result.error is None
        await mailer.mail(success)
    assert smtp.to() == ["jane@example.com"]


async def test_missed_occurrences_of_an_erased_job_are_mailed_no_more(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    missed = await outcomes.missed("jane@example.com")
    async with start_mailer(default_to=(OPS,)) as mailer:
        await mailer.mail(missed)
        await handle_job(pool, missed.job_id, DeleteJob(NOW), ACTOR)
        await read_the_log(pool)
        await erase_job(pool, missed.job_id, None, NOW, ACTOR)
        await erase_runs_of_a_job(pool, NOW + timedelta(days=1))
        await mailer.mail(missed)
    assert smtp.to() == ["jane@example.com"]


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


async def test_each_mail_is_tried_once_more_for_all_dead_letters_of_its_outcome(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    """Each of these mails has a dead letter, and all are moved back: their number must not grow."""
    smtp.answer = "550 no such user"
    success = await outcomes.succeeded(await outcomes.run("a@example.com", "b@example.com"))
    async with start_mailer() as mailer:
        await mailer.mail(success)
        for _ in range(2):
            await pool.execute("UPDATE mails SET status = 'given_up', wake_at = NULL")
            await mailer.mail(success, given_up_after=1)
        assert await mail_events(pool) == ["MailFailed"] * 4
        await mailer.mail(success, given_up_after=2)
    assert await mail_events(pool) == ["MailFailed"] * 6


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


async def test_a_dead_letter_says_how_many_failed_alike_since_when(
    outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    """The dead letters are those that there are when the mail is written; a redriven run is none of them."""
    for _ in range(3):
        await outcomes.failed(await outcomes.run(timezone="Asia/Kathmandu"), "no rows for tenant 7")
    await outcomes.failed(await outcomes.run(), "another error")
    dead = await outcomes.failed(await outcomes.run(timezone="Asia/Kathmandu"), "no rows for tenant 8")
    async with start_mailer(links=Links("https://duebook.example.com")) as mailer:
        await mailer.mail(dead)
    (mail,) = smtp.messages
    local = NOW.astimezone(ZoneInfo("Asia/Kathmandu"))
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        content = unescape(body.get_content())
        since = f"4 dead letters of 4 jobs failed alike since {local:%Y-%m-%d %H:%M} +05:45, this one included."
        assert since in content
        assert f"{local:%Y-%m-%d %H:%M:%S} +05:45 (" in content
        assert "https://duebook.example.com/console/dead-letters?fingerprint=" in content
        assert f"https://duebook.example.com/console/runs/{dead.run_id}" in content


async def test_a_mail_about_hostile_values_has_both_parts_and_no_tag_of_theirs(
    outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    hostile = "</script><img src=x> \u202e" + "\U0001f680" * 90_000
    dead = await outcomes.failed(await outcomes.run(name=hostile[:200]), hostile)
    async with start_mailer() as mailer:
        await mailer.mail(dead)
    (mail,) = smtp.messages
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    html = mail.get_body(("html",))
    assert html is not None
    assert "<img" not in html.get_content()
    assert len(mail.as_bytes()) < 100_000
