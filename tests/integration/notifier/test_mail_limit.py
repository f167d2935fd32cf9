"""A limit of mails per recipient and time: one digest tells the rest, through restarts and without Redis."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from duebook_common.broker.messages import OutcomeMessage
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.runtime.mail_domains import mail_domains
from duebook_common.runtime.rates import Rate
from duebook_common.store.database import Pool
from duebook_notifier.links import Links
from support.outcomes import OPS, Broker, MailServer, OutcomeFactory, StartMailer, StartNotifier, mail_events
from support.samples import DAY

LONG, SHORT = Rate(3, timedelta(hours=1)), Rate(1, timedelta(seconds=4))
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
_DUE_BUT_ONE = """
UPDATE mails SET wake_at = $1
WHERE status = 'held' AND run_id <> (SELECT run_id FROM mails WHERE status = 'held' LIMIT 1)
"""
NO_REDIS = "redis://127.0.0.1:1/0"


async def several(outcomes: OutcomeFactory, number: int, *to: str) -> list[OutcomeMessage]:
    return [await outcomes.succeeded(await outcomes.run(*to, name=f"job {n}")) for n in range(number)]


async def statuses(pool: Pool) -> dict[str, int]:
    rows = await pool.fetch("SELECT status, count(*) AS count FROM mails GROUP BY status")
    return {row["status"]: row["count"] for row in rows}


async def end_budgets(pool: Pool) -> None:
    """The time of the limit has passed, so that digests are due."""
    await pool.execute("UPDATE mail_budgets SET ends_at = now()")
    await pool.execute("UPDATE mails SET wake_at = now() WHERE status = 'held'")


async def await_statuses(pool: Pool, wanted: dict[str, int]) -> None:
    async with asyncio.timeout(60):
        while await statuses(pool) != wanted:
            await asyncio.sleep(0.05)


async def publish(rabbit: Broker, messages: Sequence[OutcomeMessage]) -> None:
    for message in messages:
        await rabbit.publish(message.encode())


async def test_beyond_the_limit_one_digest_has_the_rest(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    messages = await several(outcomes, 10)
    other = await outcomes.succeeded(await outcomes.run("other@example.com"))
    async with start_notifier(limit=LONG):
        await publish(rabbit, [*messages, other])
        await await_statuses(pool, {"sent": 4, "held": 7})
    assert smtp.to() == [OPS, OPS, OPS, "other@example.com"]
    smtp.messages.clear()
    async with start_notifier(limit=LONG):  # restarted: the count and the held mails are in the database
        await publish(rabbit, [await outcomes.succeeded(await outcomes.run())])
        await await_statuses(pool, {"sent": 4, "held": 8})
        await end_budgets(pool)
        await await_statuses(pool, {"sent": 4, "in_digest": 8})
    (digest,) = smtp.messages
    assert digest["To"] == OPS
    assert digest["Subject"] == "[Duebook] 8 more outcomes of 8 jobs"
    assert await mail_events(pool) == ["MailDigested"] * 8 + ["MailHeld"] * 8 + ["MailSent"] * 4
    assert {mail["message_id"] for mail in await pool.fetch("SELECT * FROM mails WHERE status = 'in_digest'")} == {
        digest["Message-ID"]
    }
    assert (await verify(pool, DAY)).breaches == []
    assert (await rebuild(pool)).replaced == 0


async def test_a_digest_counts_the_dead_letters_by_their_cause(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    errors = ["got 503 from billing.example.com:443"] * 5 + ["no rows for tenant 7", "no rows for tenant 8"]
    dead = [await outcomes.failed(await outcomes.run(), error) for error in errors]
    async with start_notifier(limit=LONG, links=Links("https://duebook.example.com")):
        await publish(rabbit, [*await several(outcomes, 3)])
        await await_statuses(pool, {"sent": 3})
        await publish(rabbit, dead)
        await await_statuses(pool, {"sent": 3, "held": 7})
        await end_budgets(pool)
        await await_statuses(pool, {"sent": 3, "in_digest": 7})
    body = smtp.messages[-1].get_body(("plain",))
    assert body is not None
    content = body.get_content().replace("\r\n", "\n")
    assert content.startswith("7 more outcomes of 7 jobs: 7 given up.")
    assert "     5  got 503 from billing.example.com:443\n        5 jobs, since " in content
    assert "     2  no rows for tenant " in content
    assert content.count("https://duebook.example.com/console/dead-letters?fingerprint=") == 2


async def test_the_digest_is_sent_when_the_time_of_the_limit_has_passed(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    async with start_notifier(limit=SHORT):
        await publish(rabbit, await several(outcomes, 6))
        async with asyncio.timeout(60):
            while (await statuses(pool)).keys() != {"sent", "in_digest"}:
                await asyncio.sleep(0.05)
    digests = [subject for subject in smtp.subjects() if "more outcome" in subject]
    assert digests
    assert sum((await statuses(pool)).values()) == 6


async def test_a_mail_held_too_late_for_its_digest_gets_one_with_another_id(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    async with start_notifier(limit=LONG):
        await publish(rabbit, await several(outcomes, 6))
        await await_statuses(pool, {"sent": 3, "held": 3})
        await pool.execute(_DUE_BUT_ONE, LONG_AGO)
        await await_statuses(pool, {"sent": 3, "held": 1, "in_digest": 2})
        await pool.execute("UPDATE mails SET wake_at = $1 WHERE status = 'held'", LONG_AGO)
        await await_statuses(pool, {"sent": 3, "in_digest": 3})
    first, second = smtp.messages[3:]
    assert first["Message-ID"] != second["Message-ID"]


async def test_two_notifiers_without_redis_share_the_limit(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    messages = await several(outcomes, 20)
    async with AsyncExitStack() as stack:
        mailers = [await stack.enter_async_context(start_mailer(NO_REDIS, limit=LONG)) for _ in range(2)]
        await asyncio.gather(*(mailers[n % 2].mail(message) for n, message in enumerate(messages)))
    assert len(smtp.messages) == 3
    assert await statuses(pool) == {"sent": 3, "held": 17}


async def test_spellings_of_one_address_share_its_limit(
    pool: Pool, outcomes: OutcomeFactory, start_mailer: StartMailer
) -> None:
    spellings = ["ops@exämple.com", "OPS@EXÄMPLE.com", "ops@xn--exmple-cua.com", "Ops@exämple.com", "ops@Exämple.com"]
    async with start_mailer(limit=LONG) as mailer:
        for spelling in spellings:
            await mailer.mail(await outcomes.succeeded(await outcomes.run(spelling)))
    assert await statuses(pool) == {"sent": 3, "held": 2}


async def test_a_repeated_outcome_and_a_retry_take_nothing_from_the_budget(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    smtp.replies[OPS] = ["451 later"]
    first, second = await several(outcomes, 2)
    async with start_mailer(limit=LONG) as mailer:
        for _ in range(5):
            await mailer.mail(first)
        while not await mailer.retry_due():
            await asyncio.sleep(0.02)
        await mailer.mail(second)
    assert await statuses(pool) == {"sent": 2}
    assert await pool.fetchval("SELECT used FROM mail_budgets") == 2


async def test_a_digest_that_is_refused_for_now_is_tried_again(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    async with start_notifier(limit=LONG):
        await publish(rabbit, await several(outcomes, 5))
        await await_statuses(pool, {"sent": 3, "held": 2})
        smtp.replies[OPS] = ["451 later", "451 later"]
        await end_budgets(pool)
        await await_statuses(pool, {"sent": 3, "in_digest": 2})
    assert smtp.subjects().count("[Duebook] 2 more outcomes of 2 jobs") == 1
    assert await mail_events(pool) == ["MailDigested"] * 2 + ["MailHeld"] * 6 + ["MailSent"] * 3


async def test_a_digest_that_is_refused_for_good_leaves_dead_letters(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    async with start_notifier(limit=LONG):
        await publish(rabbit, await several(outcomes, 5))
        await await_statuses(pool, {"sent": 3, "held": 2})
        smtp.replies[OPS] = ["550 no such user"]
        await end_budgets(pool)
        await await_statuses(pool, {"sent": 3, "given_up": 2})
        for _ in range(2):  # an operator sends them again, beyond the limit
            await rabbit.move_back(await rabbit.dead_letter())
        await await_statuses(pool, {"sent": 5})
    assert len(smtp.messages) == 5


async def test_a_mail_to_a_domain_that_is_not_allowed_is_given_up(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbit: Broker
) -> None:
    success = await outcomes.succeeded(await outcomes.run("a@example.com", "a@example.net"))
    async with start_notifier(domains=mail_domains(["example.com"])):
        await publish(rabbit, [success])
        await await_statuses(pool, {"sent": 1, "given_up": 1})
        error = await pool.fetchval("SELECT error FROM mails WHERE status = 'given_up'")
        assert "DUEBOOK_MAIL_DOMAINS" in error
    assert smtp.to() == ["a@example.com"]


async def test_a_job_with_many_recipients_delays_no_other_job(
    outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer
) -> None:
    flood = [await outcomes.succeeded(await outcomes.run(*(f"{n}@example.com" for n in range(100)))) for _ in range(3)]
    other = await outcomes.succeeded(await outcomes.run())
    async with start_mailer() as mailer:
        sending = [asyncio.create_task(mailer.mail(message)) for message in flood]
        async with asyncio.timeout(60):
            while len(smtp.messages) < 20:
                await asyncio.sleep(0.005)
        await mailer.mail(other)
        assert len(smtp.messages) < 200  # it did not wait for all the others
        await asyncio.gather(*sending)
    assert len(smtp.messages) == 301
