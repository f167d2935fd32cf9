"""Messages leave the dead-letter queue once their run no longer rests, even where somebody was looking at them."""

from collections.abc import AsyncIterator
from uuid import uuid4

import aio_pika
import pytest

from duebook_common.broker import topology
from duebook_common.broker.messages import RunMessage
from duebook_common.broker.publisher import OutgoingMessage, Publisher
from duebook_common.broker.topology import dead_letter_queue, declare_work
from duebook_common.domain.run.commands import DiscardRun, FailAttempt
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Pool
from duebook_scheduler.sweep import Sweeper
from support.bookkeeping import NOW, do, eventually, started

_QUEUE = "default"


@pytest.fixture
async def publisher(rabbitmq_url: str) -> AsyncIterator[Publisher]:
    async with await topology.connect(rabbitmq_url, "tests") as connection:
        yield Publisher(connection)


async def dead(pool: Pool, publisher: Publisher) -> Run:
    """A dead letter, with its message in RabbitMQ."""
    run = await started(pool)
    decided = await do(pool, run, FailAttempt(1, "as ever", NOW, 0, retry=False))
    assert decided.run is not None
    channel = await publisher.channel()
    await declare_work(channel, _QUEUE)
    body = RunMessage(run.id, run.dispatch).encode()
    assert await publisher.publish([OutgoingMessage("", dead_letter_queue(_QUEUE), body)]) == [None]
    return decided.run


async def _resting(publisher: Publisher) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """The messages that are there to be taken; they go back at once."""
    channel = await publisher.extra_channel()
    queue = await channel.get_queue(dead_letter_queue(_QUEUE), ensure=False)
    found = []
    while (message := await queue.get(fail=False)) is not None:
        found.append(message)
    await channel.close()
    return found


async def test_a_message_that_somebody_looked_at_during_the_sweep_leaves_all_the_same(
    pool: Pool, publisher: Publisher
) -> None:
    dropped, resting = await dead(pool, publisher), await dead(pool, publisher)
    onlooker = await publisher.extra_channel()
    looked_at = await onlooker.get_queue(dead_letter_queue(_QUEUE), ensure=False)
    assert await looked_at.get() is not None
    await do(pool, dropped, DiscardRun("done by hand", NOW))
    sweeper = Sweeper(pool, publisher, pause=0.2)

    async def swept() -> bool:
        return await sweeper.step() == 1

    await eventually(swept)
    await onlooker.close()

    async def gone() -> bool:
        assert await sweeper.step() == 0
        left = [RunMessage.decode(message.body).run_id for message in await _resting(publisher)]
        return left == [resting.id]

    await eventually(gone)
    assert sweeper._missing == {}


async def test_a_long_queue_is_looked_through_to_its_end_and_keeps_its_order(pool: Pool, publisher: Publisher) -> None:
    strangers = [RunMessage(uuid4(), 1) for _ in range(1200)]
    first = await dead(pool, publisher)
    await publisher.publish([OutgoingMessage("", dead_letter_queue(_QUEUE), message.encode()) for message in strangers])
    last = await dead(pool, publisher)
    for run in (first, last):
        await do(pool, run, DiscardRun("done by hand", NOW))
    sweeper, dealt = Sweeper(pool, publisher), 0

    async def swept() -> bool:
        nonlocal dealt
        dealt += await sweeper.step()  # which may see one of them alone
        return dealt == 2

    await eventually(swept)
    assert [RunMessage.decode(message.body) for message in await _resting(publisher)] == strangers


async def test_what_nobody_finds_is_not_looked_for_without_end(pool: Pool, publisher: Publisher) -> None:
    run = await dead(pool, publisher)
    channel = await publisher.channel()
    await (await channel.get_queue(dead_letter_queue(_QUEUE), ensure=False)).purge()
    await do(pool, run, DiscardRun("done by hand", NOW))
    sweeper = Sweeper(pool, publisher, pause=0.05)

    async def swept() -> bool:
        return await sweeper.step() == 1

    async def forgotten() -> bool:
        await sweeper.step()
        return sweeper._missing == {}

    await eventually(swept)
    assert sweeper._missing.keys() == {run.id}
    await eventually(forgotten)
