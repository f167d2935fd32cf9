"""Outcomes become mails: each once, tried until taken or dead-lettered, and nothing in them that is not ours."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.topology import NOTIFICATIONS, NOTIFICATIONS_DEAD
from duebook_common.domain.mail import outcome_key
from duebook_common.integrity.verify import verify
from duebook_common.store.database import Pool
from duebook_notifier.subject import UnknownOutcome
from support.outcomes import NOW, OPS, Books, PostOffice, broker, mailing, notifier

NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture
def books(pool: Pool) -> Books:
    return Books(pool)


@pytest.fixture
def post() -> Iterator[PostOffice]:
    post = PostOffice()
    post.start()
    yield post
    post.stop()


async def status(pool: Pool, message: OutcomeMessage, recipient: str = OPS) -> str | None:
    key = outcome_key(message.outcome, message.version)
    found: str | None = await pool.fetchval(
        "SELECT status FROM mails WHERE run_id = $1 AND outcome = $2 AND recipient = $3", message.run_id, key, recipient
    )
    return found


async def becomes(pool: Pool, message: OutcomeMessage, wanted: str, recipient: str = OPS) -> None:
    async with asyncio.timeout(20):
        while await status(pool, message, recipient) != wanted:
            await asyncio.sleep(0.05)


def nobody() -> float:
    return REGISTRY.get_sample_value("duebook_notifications_total", {"outcome": "nobody"}) or 0


async def mail_events(pool: Pool) -> list[str]:
    return [row["type"] for row in await pool.fetch("SELECT type FROM events WHERE stream LIKE 'mail-%' ORDER BY 1")]


async def test_a_success_and_a_dead_letter_are_mailed_and_recorded(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    success = await books.succeeded(await books.run("a@example.com", "b@example.com"))
    dead = await books.failed(await books.run())
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url), broker(rabbitmq_url) as rabbit:
        await rabbit.publish(success.encode())
        await rabbit.publish(dead.encode())
        await becomes(pool, success, "sent", "a@example.com")
        await becomes(pool, success, "sent", "b@example.com")
        await becomes(pool, dead, "sent")
    assert post.to() == ["a@example.com", "b@example.com", OPS]
    assert set(post.subjects()) == {
        "[Duebook] nightly report succeeded",
        "[Duebook] nightly report was given up after 1 attempt",
    }
    assert await mail_events(pool) == ["MailSent"] * 3


async def test_a_repeated_outcome_is_mailed_once(pool: Pool, books: Books, post: PostOffice, redis_url: str) -> None:
    success = await books.succeeded(await books.run())
    async with mailing(pool, redis_url, post.url) as first, mailing(pool, redis_url, post.url) as second:
        await asyncio.gather(*(one.tell(success) for one in (first, second) * 5))
        await first.tell(success)
    assert len(post.messages) == 1
    assert await mail_events(pool) == ["MailSent"]


async def test_without_redis_two_notifiers_record_a_mail_once_and_share_its_id(
    pool: Pool, books: Books, post: PostOffice
) -> None:
    to = tuple(f"{n}@example.com" for n in range(8))
    success = await books.succeeded(await books.run(*to))
    async with mailing(pool, NOBODY_LISTENS, post.url) as first, mailing(pool, NOBODY_LISTENS, post.url) as second:
        await asyncio.gather(first.tell(success), second.tell(success))
    assert await mail_events(pool) == ["MailSent"] * 8
    assert len({mail["Message-ID"] for mail in post.messages}) == 8
    assert set(post.to()) == set(to)


async def test_what_nobody_wants_to_know_is_settled_without_a_look_at_the_books(
    post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    unknown = OutcomeMessage(
        run_id=uuid4(), job_id=uuid4(), outcome="succeeded", attempt=1, version=3, at=NOW, notify=False
    )
    before = nobody()
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url), broker(rabbitmq_url) as rabbit:
        for _ in range(300):
            await rabbit.publish(unknown.encode())
        async with asyncio.timeout(20):
            while nobody() < before + 300:
                await asyncio.sleep(0.02)
        assert await rabbit.has_no_dead_letter()


async def test_each_failed_attempt_is_an_outcome_of_its_own(
    pool: Pool, books: Books, post: PostOffice, redis_url: str
) -> None:
    failed = await books.failed(await books.run(max_retries=1))
    unwanted = await books.failed(await books.run(max_retries=1, on=("succeeded",)))
    async with mailing(pool, redis_url, post.url) as one:
        await one.tell(failed)
        await one.tell(unwanted)
    assert post.subjects() == ["[Duebook] nightly report failed its attempt 1, a further one follows"]


async def test_occurrences_that_were_missed_together_are_told_in_one_mail_for_each_recipient(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    missed = await books.missed("a@example.com", "b@example.com", days=3)
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url), broker(rabbitmq_url) as rabbit:
        for _ in range(5):
            await rabbit.publish(missed.encode())
        await becomes(pool, missed, "sent", "a@example.com")
        await becomes(pool, missed, "sent", "b@example.com")
        async with asyncio.timeout(20):
            while not await rabbit.is_empty():
                await asyncio.sleep(0.05)
    assert post.to() == ["a@example.com", "b@example.com"]
    assert post.subjects() == ["[Duebook] nightly report missed 3 occurrences"] * 2
    assert len({mail["Message-ID"] for mail in post.messages}) == 2
    assert await mail_events(pool) == ["MailSent"] * 2
    assert (await verify(pool, timedelta(days=1))).breaches == []


async def test_who_did_not_ask_about_missed_occurrences_gets_no_mail_of_them(
    pool: Pool, books: Books, post: PostOffice, redis_url: str
) -> None:
    async with mailing(pool, redis_url, post.url) as one:
        await one.tell(await books.missed(OPS, on=("succeeded", "dead_lettered", "skipped")))
    assert post.messages == []


async def test_a_mail_about_missed_occurrences_is_tried_again_and_given_up_like_any_other(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    post.replies = {OPS: ["451 greylisted"], "bad@example.com": ["550 no such user"]}
    missed = await books.missed(OPS, "bad@example.com")
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url), broker(rabbitmq_url) as rabbit:
        await rabbit.publish(missed.encode())
        letter = await rabbit.dead_letter()
        await becomes(pool, missed, "given_up", "bad@example.com")
        await becomes(pool, missed, "sent")
        await rabbit.move_back(letter)
        await becomes(pool, missed, "sent", "bad@example.com")
    assert post.to() == ["bad@example.com", OPS]
    assert await mail_events(pool) == ["MailFailed", "MailFailed", "MailSent", "MailSent"]


async def test_what_was_never_missed_is_told_to_nobody(
    pool: Pool, books: Books, post: PostOffice, redis_url: str
) -> None:
    missed = await books.missed(OPS)
    async with mailing(pool, redis_url, post.url) as one:
        for wrong in (replace(missed, version=1), replace(missed, version=9), replace(missed, run_id=uuid4())):
            with pytest.raises(UnknownOutcome):
                await one.tell(wrong)
    assert post.messages == []


async def test_outcomes_of_runs_that_had_to_wait_are_mailed_as_others_are(
    pool: Pool, books: Books, post: PostOffice, redis_url: str
) -> None:
    cancelled = await books.cancelled(await books.waited(on=("cancelled",)))
    skipped = await books.expired(await books.waited(on=("skipped",)))
    failed = await books.failed(await books.let_go(await books.waited(on=("attempt_failed",))))
    unwanted = await books.cancelled(await books.waited(on=("skipped", "missed")))
    async with mailing(pool, redis_url, post.url) as one:
        for message in (cancelled, skipped, failed, unwanted):
            await one.tell(message)
    assert post.subjects() == [
        "[Duebook] nightly report was cancelled (no longer needed)",
        "[Duebook] nightly report was skipped (deadline)",
        "[Duebook] nightly report failed its attempt 1, a further one follows",
    ]


async def test_a_mail_refused_for_now_is_tried_again_and_hinders_no_other(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    post.replies["slow@example.com"] = ["451 greylisted", "452 full"]
    success = await books.succeeded(await books.run("slow@example.com", "quick@example.com"))
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url), broker(rabbitmq_url) as rabbit:
        await rabbit.publish(success.encode())
        await becomes(pool, success, "sent", "slow@example.com")
        await becomes(pool, success, "sent", "quick@example.com")
    assert post.to() == ["quick@example.com", "slow@example.com"]
    assert await mail_events(pool) == ["MailFailed", "MailFailed", "MailSent", "MailSent"]


async def test_a_mail_refused_for_good_is_given_up_and_rests_as_a_dead_letter_until_moved_back(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    post.replies[OPS] = ["550 no such user"]
    success = await books.succeeded(await books.run())
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url), broker(rabbitmq_url) as rabbit:
        await rabbit.publish(success.encode())
        letter = await rabbit.dead_letter()
        await becomes(pool, success, "given_up")
        assert letter.headers["recipient"] == OPS
        assert letter.headers["run_id"] == str(success.run_id)
        assert letter.headers["outcome"] == "succeeded"
        assert "550 no such user" in str(letter.headers["error"])
        await rabbit.move_back(letter)
        await becomes(pool, success, "sent")
    assert post.to() == [OPS]


async def test_tries_have_an_end(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    post.answer = "451 not today"
    success = await books.succeeded(await books.run())
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url, tries=3), broker(rabbitmq_url) as rabbit:
        await rabbit.publish(success.encode())
        letter = await rabbit.dead_letter()
        assert letter.headers["tries"] == 3
        await becomes(pool, success, "given_up")
    assert await mail_events(pool) == ["MailFailed"] * 3


async def test_mails_wait_while_the_mail_server_is_away(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    post.stop()
    success = await books.succeeded(await books.run())
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url, tries=1000), broker(rabbitmq_url) as rabbit:
        await rabbit.publish(success.encode())
        await becomes(pool, success, "retrying")
        post.start()
        await becomes(pool, success, "sent")
    assert len(post.messages) == 1


async def test_without_rabbitmq_nothing_is_given_up(pool: Pool, books: Books, post: PostOffice, redis_url: str) -> None:
    post.replies[OPS] = ["550 no such user"]
    success = await books.succeeded(await books.run())
    async with mailing(pool, redis_url, post.url) as one:
        await one.tell(success)
        assert await status(pool, success) == "retrying"
        while not await one.retry_due():
            await asyncio.sleep(0.02)
    assert await status(pool, success) == "sent"


async def test_what_cannot_be_read_or_is_not_in_the_books_goes_to_the_dead_letters(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    success = await books.succeeded(await books.run())
    stranger = OutcomeMessage.decode(success.encode().replace(b'"version":3', b'"version":99'))
    assert stranger.version == 99
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url), broker(rabbitmq_url) as rabbit:
        for n in range(150):  # more than one consumer may hold at once
            await rabbit.publish(b"poison %d" % n)
        await rabbit.publish(stranger.encode())
        await rabbit.publish(success.encode())
        await becomes(pool, success, "sent")
        bodies = {(await rabbit.dead_letter()).body for _ in range(151)}
    assert stranger.encode() in bodies
    assert b"poison 149" in bodies


async def test_nothing_from_outside_gets_into_the_headers(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    name = "report\r\nBcc: victim@example.com\r\n\r\n<b>hello</b>"
    two = "a@example.com,victim@example.com"
    success = await books.succeeded(await books.run(two, OPS, "x@example.com\r\nBcc: victim@example.com", name=name))
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url), broker(rabbitmq_url) as rabbit:
        await rabbit.publish(success.encode())
        await becomes(pool, success, "sent")
        await becomes(pool, success, "given_up", two)
        await rabbit.dead_letter()
        await rabbit.dead_letter()
    (mail,) = post.messages
    assert mail["Bcc"] is None
    assert mail["To"] == OPS
    assert mail["Subject"] == "[Duebook] report Bcc: victim@example.com <b>hello</b> succeeded"
    html = mail.get_body(("html",))
    assert html is not None
    assert "<b>" not in html.get_content()


async def test_queues_that_vanished_come_back_and_no_dead_letter_is_lost_meanwhile(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    success, bad = await books.succeeded(await books.run()), await books.succeeded(await books.run("bad@example.com"))
    post.replies["bad@example.com"] = ["550 no such user"] * 1000
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url), broker(rabbitmq_url) as rabbit:
        await rabbit.delete(NOTIFICATIONS_DEAD)
        await rabbit.publish(bad.encode())
        await becomes(pool, bad, "retrying", "bad@example.com")
        await rabbit.delete(NOTIFICATIONS)
        await becomes(pool, bad, "given_up", "bad@example.com")
        assert (await rabbit.dead_letter()).headers["recipient"] == "bad@example.com"
        async with asyncio.timeout(20):
            while await status(pool, success) != "sent":  # unheard where the queue is not bound again yet
                await rabbit.publish(success.encode())
                await asyncio.sleep(0.2)


async def test_a_stopping_notifier_finishes_the_mail_under_way(
    pool: Pool, books: Books, post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    held, go_on = asyncio.Event(), asyncio.Event()
    post.hold(held, go_on)
    success = await books.succeeded(await books.run())
    async with broker(rabbitmq_url) as rabbit:
        async with notifier(postgres_url, rabbitmq_url, redis_url, post.url):
            await rabbit.publish(success.encode())
            await held.wait()
            asyncio.get_running_loop().call_later(2, go_on.set)  # longer than the broker waits for its handlers
        assert await status(pool, success) == "sent"
        assert await rabbit.is_empty()
    assert len(post.messages) == 1
