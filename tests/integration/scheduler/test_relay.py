"""Every outcome reaches whoever listens on `duebook.events`, and the notifier gets those that a mail may tell of."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue

from duebook_common.broker import topology
from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import EVENTS, NOTIFICATIONS, declare_events
from duebook_common.domain.definition import CatchUp, Notify
from duebook_common.domain.job.change import change
from duebook_common.domain.job.decide import pause
from duebook_common.domain.job.events import Fact
from duebook_common.domain.job.occurrence import skip_due
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.commands import FailAttempt, RunCommand, Succeed
from duebook_common.domain.run.events import run_id_at
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import handle_job
from duebook_scheduler.relay import Relay
from support.bookkeeping import ACTOR, DAY, NOW, created, do, due, started

HOUR, NO_CATCH_UP = timedelta(hours=1), CatchUp("none")
SUCCEED, FAIL = Succeed(1, None, NOW), FailAttempt(1, "boom", NOW, 0.5, retry=False)


@pytest.fixture
async def relay(pool: Pool, rabbitmq_url: str) -> AsyncIterator[Relay]:
    async with await topology.connect(rabbitmq_url, "tests") as connection:
        yield Relay(pool, Publisher(connection))


@pytest.fixture
async def channel(rabbitmq_url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(rabbitmq_url, timeout=10) as connection:
        yield await connection.channel()


async def ended(pool: Pool, command: RunCommand = SUCCEED, **changes: object) -> str:
    """A run that has come to its end; its id."""
    run = await started(pool, **changes)
    await do(pool, run, command)
    return str(run.id)


async def relay_all(relay: Relay, pool: Pool) -> None:
    """Until the relay's checkpoint stands at the end of the log."""
    async with asyncio.timeout(20):
        while await pool.fetchval(_BEHIND):
            await relay.step()


_BEHIND = """
SELECT count(*) FROM events LEFT JOIN checkpoints ON subscriber = 'relay'
WHERE checkpoints IS NULL OR (events.xid, events.position) > (checkpoints.xid, checkpoints.position)
"""


async def taken(queue: AbstractQueue) -> list[aio_pika.abc.AbstractIncomingMessage]:
    messages = []
    while (message := await queue.get(fail=False, no_ack=True)) is not None:
        messages.append(message)
    return messages


async def told(channel: AbstractChannel) -> Counter[str]:
    """How often the notifier's queue tells of each run; emptied by that."""
    notifications = await channel.get_queue(NOTIFICATIONS)
    return Counter(str(OutcomeMessage.decode(message.body).run_id) for message in await taken(notifications))


async def test_whoever_binds_to_outcomes_gets_each_of_them_once_under_its_own_name(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    await relay.step()
    events = await channel.get_exchange(EVENTS)
    everything = await channel.declare_queue("everything", exclusive=True)
    deaths = await channel.declare_queue("deaths", exclusive=True)
    for key in ("#", "run.#", "run.succeeded"):
        await everything.bind(events, key)
    await deaths.bind(events, "run.dead_lettered")
    ops = Notify(to=("ops@example.com",))
    alive = [await ended(pool), await ended(pool, notify=ops), await ended(pool, notify=Notify(on=()))]
    dead = await ended(pool, FAIL, notify=ops)
    await relay_all(relay, pool)
    messages = await taken(everything)
    names = {str(OutcomeMessage.decode(message.body).run_id): message.routing_key for message in messages}
    assert names == dict.fromkeys(alive, "run.succeeded") | {dead: "run.dead_lettered"}
    assert len(messages) == 4
    assert [message.headers for message in messages] == [{}] * 4
    assert [str(OutcomeMessage.decode(m.body).run_id) for m in await taken(deaths)] == [dead]


async def test_occurrences_missed_together_are_one_message_which_the_notifier_gets_where_somebody_wants_it(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    await relay.step()
    misses = await channel.declare_queue("misses", exclusive=True)
    await misses.bind(EVENTS, "run.missed")
    wanted = await missed(pool, notify=Notify(to=("ops@example.com",), on=("missed",)))
    default = await missed(pool, notify=Notify(on=("missed",)), catch_up=CatchUp("latest", HOUR / 2))
    unwanted = await missed(pool, notify=Notify(to=("ops@example.com",)))
    await handle_job(pool, unwanted, pausing_a_year_later, ACTOR)  # what falls into a pause was not missed
    await relay_all(relay, pool)
    told_of = {m.job_id: m for m in (OutcomeMessage.decode(message.body) for message in await taken(misses))}
    assert told_of.keys() == {wanted, default, unwanted}
    message = told_of[wanted]
    last = NOW + 999 * DAY
    assert (message.run_id, message.outcome, message.version) == (run_id_at(wanted, last), "missed", 2)
    assert (message.notify, told_of[default].notify, message.job_name) == (True, False, "report")
    assert message.missed == {"first": rfc(NOW), "last": rfc(last), "count": 1000, "reason": "missed"}
    assert (told_of[default].missed or {})["reason"] == "window"
    assert await told(channel) == Counter([str(message.run_id), str(told_of[default].run_id)])


async def test_what_was_missed_is_told_by_the_definition_that_was_in_force_then(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    await relay.step()
    job_id = await missed(pool, notify=Notify(to=("ops@example.com",), on=("missed",)))
    later = NOW + 1001 * DAY
    await handle_job(
        pool,
        job_id,
        lambda job, _: change(job, replace(job.definition, name="x", notify=Notify()), later, ran=False),
        ACTOR,
    )
    await relay_all(relay, pool)
    assert sum((await told(channel)).values()) == 1


async def missed(pool: Pool, notify: Notify, catch_up: CatchUp = NO_CATCH_UP) -> UUID:
    """A daily job that nobody looked at for a thousand days; its id."""
    job_id = await created(pool, recurrence="daily", notify=notify, catch_up=catch_up)
    await handle_job(pool, job_id, due(NOW + 999 * DAY + HOUR), ACTOR)
    return job_id


def pausing_a_year_later(job: Job, _: object) -> Sequence[Fact]:
    now = NOW + 1300 * DAY
    return [*skip_due(job, "paused", now), *pause(job, None, now)]


def rfc(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


async def test_before_any_notifier_has_started_each_outcome_that_could_be_mailed_waits_for_it(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    named = await ended(pool, notify=Notify(to=("ops@example.com",)))
    default = await ended(pool)
    unwanted = await ended(pool, notify=Notify(to=("ops@example.com",), on=("dead_lettered",)))
    await relay_all(relay, pool)
    assert await told(channel) == Counter([named, default]), unwanted


async def test_where_the_notifier_knows_nobody_by_default_only_outcomes_that_name_somebody_reach_it(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    await relay.step()
    await declare_events(channel, default=False)
    named = await ended(pool, FAIL, notify=Notify(to=("ops@example.com",)))
    await ended(pool)
    await relay_all(relay, pool)
    assert await told(channel) == Counter([named])
    await declare_events(channel, default=True)
    default = await ended(pool)
    await relay_all(relay, pool)
    assert await told(channel) == Counter([default])


async def test_a_queue_that_an_older_version_bound_to_every_outcome_gets_each_once(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    await declare_events(channel)
    await (await channel.get_queue(NOTIFICATIONS)).bind(EVENTS, "run.#")
    nobody = await ended(pool, notify=Notify(on=()))
    named = await ended(pool, notify=Notify(to=("ops@example.com",)))
    await relay_all(relay, pool)
    assert await told(channel) == Counter([nobody, named])


async def test_a_long_log_is_relayed_whole_and_in_order(pool: Pool, relay: Relay, channel: AbstractChannel) -> None:
    await relay.step()
    everything = await channel.declare_queue("everything", exclusive=True)
    await everything.bind(EVENTS, "run.#")
    runs = [await ended(pool) for _ in range(30)]
    await relay_all(relay, pool)
    assert [str(OutcomeMessage.decode(message.body).run_id) for message in await taken(everything)] == runs
