"""Messages leave the dead-letter queue after a redrive or discard, even if another consumer held them at first."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from duebook_common.broker import topology
from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.messages import RunMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import dead_letter_queue, declare_work
from duebook_common.domain.run.commands import DiscardRun, FailAttempt, Succeed
from duebook_common.domain.run.state import Run
from duebook_common.store.archive_handling import subscribers_behind
from duebook_common.store.database import Pool, acquire
from duebook_scheduler.sweep import Sweeper
from support.bookkeeping import NOW, do, eventually, past_horizon, started
from support.planted_faults import unguarded

_QUEUE = "default"
RECORDED = "UPDATE events SET recorded_at = now() + interval '{}' WHERE type = 'RunDiscarded'"


@pytest.fixture
async def publisher(rabbitmq_url: str) -> AsyncIterator[Publisher]:
    async with await topology.connect(rabbitmq_url, "tests") as connection:
        yield Publisher(connection)


async def dead_letter(pool: Pool, publisher: Publisher) -> Run:
    """A dead-lettered run with its message in RabbitMQ."""
    run = await started(pool)
    decided = await do(pool, run, FailAttempt(1, "as ever", NOW, 0, retry=False))
    assert decided.run is not None
    channel = await publisher.channel()
    await declare_work(channel, _QUEUE)
    body = RunMessage(run.id, run.dispatch).encode()
    assert await publisher.publish([OutgoingMessage("", dead_letter_queue(_QUEUE), body)]) == [None]
    return decided.run


async def _messages(publisher: Publisher) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """The ready messages of the dead-letter queue; closing the channel returns them."""
    channel = await publisher.extra_channel()
    queue = await channel.get_queue(dead_letter_queue(_QUEUE), ensure=False)
    found = []
    while (message := await queue.get(fail=False)) is not None:
        found.append(message)
    await channel.close()
    return found


async def test_a_message_held_by_another_consumer_is_removed_by_a_later_scan(pool: Pool, publisher: Publisher) -> None:
    discarded, remaining = await dead_letter(pool, publisher), await dead_letter(pool, publisher)
    other = await publisher.extra_channel()
    assert await (await other.get_queue(dead_letter_queue(_QUEUE), ensure=False)).get() is not None
    await do(pool, discarded, DiscardRun("done by hand", NOW))
    sweeper = Sweeper(pool, publisher, pause=0.2)

    async def swept() -> bool:
        return await sweeper.step() == 1

    await eventually(swept)
    await other.close()

    async def gone() -> bool:
        assert await sweeper.step() == 0
        left = [RunMessage.decode(message.body).run_id for message in await _messages(publisher)]
        return left == [remaining.id]

    await eventually(gone)
    assert sweeper._pending == {}


async def test_a_long_queue_is_scanned_to_its_end_and_keeps_its_order(pool: Pool, publisher: Publisher) -> None:
    foreign = [RunMessage(uuid4(), 1) for _ in range(1200)]
    first = await dead_letter(pool, publisher)
    await publisher.publish([OutgoingMessage("", dead_letter_queue(_QUEUE), message.encode()) for message in foreign])
    last = await dead_letter(pool, publisher)
    for run in (first, last):
        await do(pool, run, DiscardRun("done by hand", NOW))
    sweeper, swept_runs = Sweeper(pool, publisher), 0

    async def swept() -> bool:
        nonlocal swept_runs
        swept_runs += await sweeper.step()  # one pass may see only one of the two
        return swept_runs == 2

    await eventually(swept)
    assert [RunMessage.decode(message.body) for message in await _messages(publisher)] == foreign


async def test_a_sweeper_without_work_keeps_no_period_from_leaving(pool: Pool, publisher: Publisher) -> None:
    """Its checkpoint follows the log, except past what it has yet to sweep."""
    discarded, sweeper = await dead_letter(pool, publisher), Sweeper(pool, publisher)
    assert await sweeper.step() == 0
    await do(pool, discarded, DiscardRun("done by hand", NOW))
    newest = await started(pool)
    await unguarded(pool, RECORDED.format("1 hour"))
    await past_horizon(pool)
    assert await sweeper.step() == 0  # the message may be on its way yet
    assert await behind(pool) == ["sweeper"]
    await unguarded(pool, RECORDED.format("-1 hour"))

    async def caught_up() -> bool:
        await sweeper.step()
        return await behind(pool) == []

    await eventually(caught_up)
    assert await _messages(publisher) == []
    await do(pool, newest, Succeed(1, None, NOW))
    assert await behind(pool) == ["sweeper"]
    await eventually(caught_up)


async def behind(pool: Pool) -> list[str]:
    async with acquire(pool) as db:
        newest: Any = await db.fetchrow("SELECT xid, position FROM events ORDER BY xid DESC, position DESC LIMIT 1")
        return await subscribers_behind(db, newest["xid"], newest["position"])


async def test_the_search_for_a_message_that_is_gone_ends(pool: Pool, publisher: Publisher) -> None:
    run = await dead_letter(pool, publisher)
    channel = await publisher.channel()
    await (await channel.get_queue(dead_letter_queue(_QUEUE), ensure=False)).purge()
    await do(pool, run, DiscardRun("done by hand", NOW))
    sweeper = Sweeper(pool, publisher, pause=0.05)

    async def swept() -> bool:
        return await sweeper.step() == 1

    async def given_up() -> bool:
        await sweeper.step()
        return sweeper._pending == {}

    await eventually(swept)
    assert sweeper._pending.keys() == {run.id}
    await eventually(given_up)
