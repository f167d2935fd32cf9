"""Every outcome reaches the consumers of `duebook.events`, and the notifier those that may cause a mail."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue

from duebook_common.broker import topology
from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import EVENTS, NOTIFICATIONS, declare_events
from duebook_common.domain.definition import CatchUp, Notify
from duebook_common.domain.job.commands import ChangeJob, PauseJob, ResumeJob
from duebook_common.domain.run.commands import FailAttempt, RunCommand, Succeed
from duebook_common.domain.run.ids import run_id_at
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import handle_job
from duebook_scheduler.relay import Relay
from support.bookkeeping import ACTOR, NOW, context, created, definition, dispatch, do, eventually, started
from support.samples import DAY, HOUR

NO_CATCH_UP = CatchUp("none")
SUCCEED, FAIL = Succeed(1, None, NOW), FailAttempt(1, "boom", NOW, 0.5, retry=False)


@pytest.fixture
async def relay(pool: Pool, rabbitmq_url: str) -> AsyncIterator[Relay]:
    async with await topology.connect(rabbitmq_url, "tests") as connection:
        yield Relay(pool, Publisher(connection))


@pytest.fixture
async def channel(rabbitmq_url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        yield await connection.channel()


async def ended(pool: Pool, command: RunCommand = SUCCEED, **changes: object) -> str:
    """End a run by this command; returns its id."""
    run = await started(pool, **changes)
    await do(pool, run, command)
    return str(run.id)


async def relay_all(relay: Relay, pool: Pool) -> None:
    """Relay until the checkpoint is at the end of the log."""

    async def relayed_all() -> bool:
        await relay.step()
        return not await pool.fetchval(_BEHIND)

    await eventually(relayed_all)


_BEHIND = """
SELECT count(*) FROM events LEFT JOIN checkpoints ON subscriber = 'relay'
WHERE checkpoints IS NULL OR (events.xid, events.position) > (checkpoints.xid, checkpoints.position)
"""


async def take_all(queue: AbstractQueue) -> list[aio_pika.abc.AbstractIncomingMessage]:
    messages = []
    while (message := await queue.get(fail=False, no_ack=True)) is not None:
        messages.append(message)
    return messages


async def notified(channel: AbstractChannel) -> Counter[str]:
    """How many messages about each run the notifier's queue had; this empties it."""
    notifications = await channel.get_queue(NOTIFICATIONS)
    return Counter(str(OutcomeMessage.decode(message.body).run_id) for message in await take_all(notifications))


async def test_a_bound_queue_gets_each_outcome_once_by_its_routing_key(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    await relay.step()
    events = await channel.get_exchange(EVENTS)
    everything = await channel.declare_queue("everything", exclusive=True)
    dead_letters = await channel.declare_queue("dead_lettered", exclusive=True)
    for key in ("#", "run.#", "run.succeeded"):
        await everything.bind(events, key)
    await dead_letters.bind(events, "run.dead_lettered")
    ops = Notify(to=("ops@example.com",))
    succeeded = [await ended(pool), await ended(pool, notify=ops), await ended(pool, notify=Notify(on=()))]
    dead = await ended(pool, FAIL, notify=ops)
    await relay_all(relay, pool)
    messages = await take_all(everything)
    routing_keys = {str(OutcomeMessage.decode(message.body).run_id): message.routing_key for message in messages}
    assert routing_keys == dict.fromkeys(succeeded, "run.succeeded") | {dead: "run.dead_lettered"}
    assert len(messages) == 4
    assert [message.headers for message in messages] == [{}] * 4
    assert [str(OutcomeMessage.decode(m.body).run_id) for m in await take_all(dead_letters)] == [dead]


async def test_occurrences_missed_together_are_one_message(pool: Pool, relay: Relay, channel: AbstractChannel) -> None:
    await relay.step()
    missed_queue = await channel.declare_queue("missed", exclusive=True)
    await missed_queue.bind(EVENTS, "run.missed")
    wanted = await missed(pool, notify=Notify(to=("ops@example.com",), on=("missed",)))
    default = await missed(pool, notify=Notify(on=("missed",)), catch_up=CatchUp("latest", HOUR / 2))
    unwanted = await missed(pool, notify=Notify(to=("ops@example.com",)))
    await paused_for_a_year(pool, unwanted)  # times during a pause are not missed
    await relay_all(relay, pool)
    by_job = {m.job_id: m for m in (OutcomeMessage.decode(message.body) for message in await take_all(missed_queue))}
    assert by_job.keys() == {wanted, default, unwanted}
    message = by_job[wanted]
    last = NOW + 999 * DAY
    assert (message.run_id, message.outcome, message.version) == (run_id_at(wanted, last), "missed", 2)
    assert (message.notify, by_job[default].notify, message.job_name) == (True, False, "report")
    assert message.missed == {"first": rfc(NOW), "last": rfc(last), "count": 1000, "reason": "missed"}
    assert (by_job[default].missed or {})["reason"] == "window"
    assert await notified(channel) == Counter([str(message.run_id), str(by_job[default].run_id)])


async def test_missed_occurrences_use_the_definition_that_was_in_force_then(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    await relay.step()
    job_id = await missed(pool, notify=Notify(to=("ops@example.com",), on=("missed",)))
    changed = definition(name="x", recurrence="daily", notify=Notify(), catch_up=NO_CATCH_UP)
    later = context(NOW + 999 * DAY + 2 * HOUR)
    await handle_job(pool, job_id, ChangeJob(changed, later, run_exists=False), ACTOR)
    await relay_all(relay, pool)
    assert sum((await notified(channel)).values()) == 1


async def missed(pool: Pool, notify: Notify, catch_up: CatchUp = NO_CATCH_UP) -> UUID:
    """A daily job whose first thousand occurrences were missed; its id."""
    job_id = await created(pool, recurrence="daily", notify=notify, catch_up=catch_up)
    await handle_job(pool, job_id, dispatch(NOW + 999 * DAY + HOUR), ACTOR)
    return job_id


async def paused_for_a_year(pool: Pool, job_id: UUID) -> None:
    await handle_job(pool, job_id, PauseJob(None, context(NOW + 999 * DAY + HOUR)), ACTOR)
    await handle_job(pool, job_id, ResumeJob(None, NOW + 1300 * DAY), ACTOR)


def rfc(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


async def test_outcomes_wait_for_a_notifier_that_has_never_started(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    named = await ended(pool, notify=Notify(to=("ops@example.com",)))
    default = await ended(pool)
    unwanted = await ended(pool, notify=Notify(to=("ops@example.com",), on=("dead_lettered",)))
    await relay_all(relay, pool)
    assert await notified(channel) == Counter([named, default]), unwanted


async def test_without_default_recipients_only_jobs_with_recipients_are_mailed(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    await relay.step()
    await declare_events(channel, default=False)
    named = await ended(pool, FAIL, notify=Notify(to=("ops@example.com",)))
    await ended(pool)
    await relay_all(relay, pool)
    assert await notified(channel) == Counter([named])
    await declare_events(channel, default=True)
    default = await ended(pool)
    await relay_all(relay, pool)
    assert await notified(channel) == Counter([default])


async def test_a_notifications_queue_bound_to_every_outcome_gets_each_once(
    pool: Pool, relay: Relay, channel: AbstractChannel
) -> None:
    await declare_events(channel)
    await (await channel.get_queue(NOTIFICATIONS)).bind(EVENTS, "run.#")
    silent = await ended(pool, notify=Notify(on=()))
    named = await ended(pool, notify=Notify(to=("ops@example.com",)))
    await relay_all(relay, pool)
    assert await notified(channel) == Counter([silent, named])


async def test_a_long_log_is_relayed_whole_and_in_order(pool: Pool, relay: Relay, channel: AbstractChannel) -> None:
    await relay.step()
    everything = await channel.declare_queue("everything", exclusive=True)
    await everything.bind(EVENTS, "run.#")
    runs = [await ended(pool) for _ in range(30)]
    await relay_all(relay, pool)
    assert [str(OutcomeMessage.decode(message.body).run_id) for message in await take_all(everything)] == runs
