"""The whole notifier: outcomes from RabbitMQ become mails, tried until sent or dead-lettered."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from prometheus_client import REGISTRY

from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.topology import NOTIFICATIONS, NOTIFICATIONS_DEAD
from duebook_common.integrity.verify import verify
from duebook_common.store.database import Pool
from support.outcomes import (
    NOW,
    OPS,
    Broker,
    MailServer,
    OutcomeFactory,
    StartNotifier,
    await_mail,
    mail_events,
    mail_status,
)


async def test_a_success_and_a_dead_letter_are_mailed_and_recorded(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    success = await outcomes.succeeded(await outcomes.run("a@example.com", "b@example.com"))
    dead = await outcomes.failed(await outcomes.run())
    async with start_notifier():
        await rabbit.publish(success.encode())
        await rabbit.publish(dead.encode())
        await await_mail(pool, success, "sent", "a@example.com")
        await await_mail(pool, success, "sent", "b@example.com")
        await await_mail(pool, dead, "sent")
    assert smtp.to() == ["a@example.com", "b@example.com", OPS]
    assert set(smtp.subjects()) == {
        "[Duebook] nightly report succeeded",
        "[Duebook] nightly report was given up after 1 attempt",
    }
    assert await mail_events(pool) == ["MailSent"] * 3


async def test_an_outcome_without_recipients_is_acknowledged_without_a_query(
    start_notifier: StartNotifier, rabbit: Broker
) -> None:
    """The outcomes are about runs that the log does not have: a query would dead-letter them."""
    unknown = OutcomeMessage(
        run_id=uuid4(), job_id=uuid4(), outcome="succeeded", attempt=1, version=3, at=NOW, notify=False
    )
    before = outcomes_without_recipient()
    async with start_notifier():
        for _ in range(300):
            await rabbit.publish(unknown.encode())
        async with asyncio.timeout(60):
            while outcomes_without_recipient() < before + 300:
                await asyncio.sleep(0.02)
        assert await rabbit.has_no_dead_letter()


def outcomes_without_recipient() -> float:
    return REGISTRY.get_sample_value("duebook_notifications_total", {"outcome": "nobody"}) or 0


async def test_missed_occurrences_are_one_mail_for_each_recipient(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    missed = await outcomes.missed("a@example.com", "b@example.com", days=3)
    async with start_notifier():
        for _ in range(5):
            await rabbit.publish(missed.encode())
        await await_mail(pool, missed, "sent", "a@example.com")
        await await_mail(pool, missed, "sent", "b@example.com")
        async with asyncio.timeout(60):
            while not await rabbit.is_empty():
                await asyncio.sleep(0.05)
    assert smtp.to() == ["a@example.com", "b@example.com"]
    assert smtp.subjects() == ["[Duebook] nightly report missed 3 occurrences"] * 2
    assert len({mail["Message-ID"] for mail in smtp.messages}) == 2
    assert await mail_events(pool) == ["MailSent"] * 2
    assert (await verify(pool, timedelta(days=1))).breaches == []


async def test_a_mail_about_missed_occurrences_is_retried_and_given_up_too(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    smtp.replies = {OPS: ["451 greylisted"], "bad@example.com": ["550 no such user"]}
    missed = await outcomes.missed(OPS, "bad@example.com")
    async with start_notifier():
        await rabbit.publish(missed.encode())
        dead_letter = await rabbit.dead_letter()
        await await_mail(pool, missed, "given_up", "bad@example.com")
        await await_mail(pool, missed, "sent")
        await rabbit.move_back(dead_letter)
        await await_mail(pool, missed, "sent", "bad@example.com")
    assert smtp.to() == ["bad@example.com", OPS]
    assert await mail_events(pool) == ["MailFailed", "MailFailed", "MailSent", "MailSent"]


async def test_a_mail_refused_for_now_is_retried_and_delays_no_other(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    smtp.replies["slow@example.com"] = ["451 greylisted", "452 full"]
    success = await outcomes.succeeded(await outcomes.run("slow@example.com", "quick@example.com"))
    async with start_notifier():
        await rabbit.publish(success.encode())
        await await_mail(pool, success, "sent", "slow@example.com")
        await await_mail(pool, success, "sent", "quick@example.com")
    assert smtp.to() == ["quick@example.com", "slow@example.com"]
    assert await mail_events(pool) == ["MailFailed", "MailFailed", "MailSent", "MailSent"]


async def test_a_mail_refused_for_good_is_a_dead_letter_until_moved_back(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    smtp.replies[OPS] = ["550 no such user"]
    success = await outcomes.succeeded(await outcomes.run())
    async with start_notifier():
        await rabbit.publish(success.encode())
        dead_letter = await rabbit.dead_letter()
        await await_mail(pool, success, "given_up")
        assert OPS not in str((dead_letter.headers, dead_letter.body, dead_letter.message_id))
        assert dead_letter.headers["run_id"] == str(success.run_id)
        assert dead_letter.headers["outcome"] == "succeeded"
        assert await pool.fetchval("SELECT error FROM mails") == "550 no such user"
        await rabbit.move_back(dead_letter)
        await await_mail(pool, success, "sent")
    assert smtp.to() == [OPS]


async def test_a_mail_is_given_up_after_its_last_try(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    smtp.answer = "451 not today"
    success = await outcomes.succeeded(await outcomes.run())
    async with start_notifier(tries=3):
        await rabbit.publish(success.encode())
        dead_letter = await rabbit.dead_letter()
        assert dead_letter.headers["tries"] == 3
        await await_mail(pool, success, "given_up")
    assert await mail_events(pool) == ["MailFailed"] * 3


async def test_mails_wait_while_the_mail_server_is_unavailable(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    smtp.stop()
    success = await outcomes.succeeded(await outcomes.run())
    async with start_notifier(tries=1000):
        await rabbit.publish(success.encode())
        await await_mail(pool, success, "retrying")
        smtp.start()
        await await_mail(pool, success, "sent")
    assert len(smtp.messages) == 1


async def test_unreadable_and_unknown_outcomes_are_dead_lettered(
    pool: Pool, outcomes: OutcomeFactory, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    success = await outcomes.succeeded(await outcomes.run())
    unknown = OutcomeMessage.decode(success.encode().replace(b'"version":3', b'"version":99'))
    assert unknown.version == 99
    async with start_notifier():
        for n in range(150):  # more than the prefetch count
            await rabbit.publish(b"poison %d" % n)
        await rabbit.publish(unknown.encode())
        await rabbit.publish(success.encode())
        await await_mail(pool, success, "sent")
        bodies = {(await rabbit.dead_letter()).body for _ in range(151)}
    assert unknown.encode() in bodies
    assert b"poison 149" in bodies


async def test_no_text_from_outside_gets_into_the_headers(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    name = "report\r\nBcc: victim@example.com\r\n\r\n<b>hello</b>"
    two = "a@example.com,victim@example.com"
    injected = "x@example.com\r\nBcc: victim@example.com"
    success = await outcomes.succeeded(await outcomes.run(two, OPS, injected, name=name))
    async with start_notifier():
        await rabbit.publish(success.encode())
        await await_mail(pool, success, "sent")
        await await_mail(pool, success, "given_up", two)
        await rabbit.dead_letter()
        await rabbit.dead_letter()
    (mail,) = smtp.messages
    assert mail["Bcc"] is None
    assert mail["To"] == OPS
    assert mail["Subject"] == "[Duebook] report Bcc: victim@example.com <b>hello</b> succeeded"
    html = mail.get_body(("html",))
    assert html is not None
    assert "<b>" not in html.get_content()


async def test_deleted_queues_are_declared_again_and_no_dead_letter_is_lost(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    success = await outcomes.succeeded(await outcomes.run())
    smtp.replies["bad@example.com"] = ["550 no such user"] * 1000
    async with start_notifier():
        status = None
        while status != "retrying":  # else the notifier has declared the queue before it tried the mail
            bad = await outcomes.succeeded(await outcomes.run("bad@example.com"))
            await rabbit.delete(NOTIFICATIONS_DEAD)
            await rabbit.publish(bad.encode())
            async with asyncio.timeout(60):
                while (status := await mail_status(pool, bad, "bad@example.com")) is None:
                    await asyncio.sleep(0.01)
        await rabbit.delete(NOTIFICATIONS)
        await await_mail(pool, bad, "given_up", "bad@example.com")
        assert (await rabbit.dead_letter()).headers["run_id"] == str(bad.run_id)
        async with asyncio.timeout(60):
            while await mail_status(pool, success) != "sent":  # lost while the queue is not bound again yet
                await rabbit.publish(success.encode())
                await asyncio.sleep(0.2)


async def test_a_stopping_notifier_finishes_the_mail_under_way(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    received, resume = asyncio.Event(), asyncio.Event()
    smtp.hold(received, resume)
    success = await outcomes.succeeded(await outcomes.run())
    async with start_notifier():
        await rabbit.publish(success.encode())
        await received.wait()
        asyncio.get_running_loop().call_later(2, resume.set)  # longer than FastStream waits for its handlers
    assert await mail_status(pool, success) == "sent"
    assert await rabbit.is_empty()
    assert len(smtp.messages) == 1
