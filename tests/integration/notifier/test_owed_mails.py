"""Mails are owed by the books, not by RabbitMQ: a broker that loses its data loses none, and none is sent twice."""

import asyncio

import pytest

from duebook_common.broker import topology
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import EVENTS, NOTIFICATIONS, NOTIFICATIONS_DEAD
from duebook_common.integrity.verify import verify
from duebook_common.store.database import Pool
from duebook_common.store.mails_owed import set_default_recipients
from duebook_scheduler.relay import Relay
from support.outcomes import OPS, Broker, MailServer, OutcomeFactory, StartMailer, StartNotifier, mail_events
from support.samples import DAY

ALL = tuple(f"{n}@example.com" for n in range(3))


async def relay_all(pool: Pool, rabbitmq_url: str) -> None:
    async with await topology.connect(rabbitmq_url, "tests") as connection:
        relay = Relay(pool, Publisher(connection))
        async with asyncio.timeout(60):
            while await pool.fetchval(_BEHIND):
                await relay.step()


_BEHIND = """
SELECT count(*) FROM events LEFT JOIN checkpoints ON subscriber = 'relay'
WHERE checkpoints IS NULL OR (events.xid, events.position) > (checkpoints.xid, checkpoints.position)
"""


async def owed(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM mails_owed")
    return count


async def make_due(pool: Pool) -> None:
    """The time that RabbitMQ has to bring the outcomes is over."""
    await pool.execute("UPDATE mails_owed SET wake_at = now() - interval '1 second'")


async def await_settled(pool: Pool) -> None:
    async with asyncio.timeout(60):
        while await owed(pool):
            await asyncio.sleep(0.05)


async def test_outcomes_that_rabbitmq_loses_are_mailed_once(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, start_mailer: StartMailer,
    rabbit: Broker, rabbitmq_url: str,
) -> None:  # fmt: skip
    ended = [await outcomes.succeeded(await outcomes.run(*ALL)) for _ in range(5)]
    ended += [await outcomes.failed(await outcomes.run(*ALL, max_retries=1)), await outcomes.missed(*ALL)]
    await relay_all(pool, rabbitmq_url)
    assert await owed(pool) == len(ended)
    async with start_mailer() as mailer:
        await mailer.mail(ended[0])  # the books know its mails as sent, and no acknowledgement reaches RabbitMQ
    for queue in (NOTIFICATIONS, NOTIFICATIONS_DEAD):
        await rabbit.delete(queue)
    await rabbit.delete_exchange(EVENTS)
    await make_due(pool)
    async with start_notifier():
        await await_settled(pool)
    assert smtp.to() == sorted(ALL * len(ended))
    assert len({mail["Message-ID"] for mail in smtp.messages}) == len(ALL) * len(ended)
    assert await mail_events(pool) == ["MailSent"] * len(ALL) * len(ended)
    assert (await verify(pool, DAY)).breaches == []


async def test_an_outcome_that_rabbitmq_brings_is_owed_no_more(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbitmq_url: str
) -> None:
    await outcomes.succeeded(await outcomes.run())
    await outcomes.succeeded(await outcomes.run(on=("dead_lettered",)))
    await relay_all(pool, rabbitmq_url)
    assert await owed(pool) == 1
    async with start_notifier():
        await await_settled(pool)
    assert smtp.to() == [OPS]


async def test_a_mail_of_which_a_part_was_sent_is_completed(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer, rabbitmq_url: str
) -> None:
    smtp.replies["1@example.com"] = ["451 later"]
    success = await outcomes.succeeded(await outcomes.run(*ALL))
    await relay_all(pool, rabbitmq_url)
    async with start_mailer() as mailer:
        await mailer.mail(success)
        assert smtp.to() == ["0@example.com", "2@example.com"]
        assert await owed(pool) == 0  # the third is a due row of its own
        while not await mailer.retry_due():
            await asyncio.sleep(0.02)
    assert smtp.to() == list(ALL)


@pytest.mark.parametrize(("default", "count"), [(None, 1), (True, 1), (False, 0)])
async def test_outcomes_of_jobs_without_recipients_are_owed_if_there_are_default_ones(
    pool: Pool, outcomes: OutcomeFactory, rabbitmq_url: str, default: bool | None, count: int
) -> None:
    if default is not None:
        async with pool.acquire() as db:
            await set_default_recipients(db, default)
    await outcomes.missed()
    await relay_all(pool, rabbitmq_url)
    assert await owed(pool) == count


async def test_an_outcome_that_the_log_does_not_have_delays_no_other(
    pool: Pool, outcomes: OutcomeFactory, smtp: MailServer, start_mailer: StartMailer, rabbitmq_url: str
) -> None:
    for _ in range(2):
        await outcomes.succeeded(await outcomes.run())
    await relay_all(pool, rabbitmq_url)
    await pool.execute("UPDATE mails_owed SET version = 99")
    await outcomes.succeeded(await outcomes.run())
    await relay_all(pool, rabbitmq_url)
    await make_due(pool)
    async with start_mailer() as mailer:
        assert await mailer.mail_owed() == 3
        assert await mailer.mail_owed() == 0
    assert smtp.to() == [OPS]
    assert await owed(pool) == 0
