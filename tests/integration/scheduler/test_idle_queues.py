"""A work queue that nothing uses any more leaves RabbitMQ, and none that a job, a run or a message still needs."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from duebook_common.broker import topology
from duebook_common.broker.topology import declare_work, work_queue
from duebook_common.store.database import Pool
from duebook_scheduler.idle_queues import IdleQueues
from duebook_scheduler.work_queues import WorkQueues
from support.bookkeeping import created, dispatched

IDLE = timedelta(hours=1)
_AGE = "UPDATE queues SET used_at = used_at - interval '2 hours' WHERE name = ANY($1)"
_NAMES = "SELECT name FROM queues ORDER BY name"


@pytest.fixture
async def connection(rabbitmq_url: str) -> AsyncIterator[AbstractRobustConnection]:
    async with await topology.connect(rabbitmq_url, "tests") as connection:
        yield connection


async def exists(connection: AbstractRobustConnection, queue: str) -> bool:
    channel = await connection.channel()
    try:
        await channel.declare_queue(work_queue(queue), passive=True)
    except ChannelNotFoundEntity:
        return False
    await channel.close()
    return True


async def test_only_queues_that_nothing_uses_are_removed(pool: Pool, connection: AbstractRobustConnection) -> None:
    queues = ["of-job", "of-run", "recent", "idle"]
    async with connection.channel() as channel:
        for queue in queues:
            await declare_work(channel, queue)
    await created(pool, queue="of-job", recurrence="daily")
    await dispatched(pool, queue="of-run")
    await pool.execute("INSERT INTO queues SELECT unnest($1::text[]), clock_timestamp()", [*queues, "undeclared"])
    await pool.execute(_AGE, ["of-job", "of-run", "idle", "undeclared"])
    idle_queues = IdleQueues(pool, WorkQueues(connection), IDLE)
    assert await idle_queues.step() == 2
    assert {queue: await exists(connection, queue) for queue in queues} == {
        "of-job": True,
        "of-run": True,
        "recent": True,
        "idle": False,
    }
    assert [record["name"] for record in await pool.fetch(_NAMES)] == ["of-job", "of-run", "recent"]
    assert await idle_queues.step() == 0


async def test_a_queue_in_use_is_counted(pool: Pool, connection: AbstractRobustConnection) -> None:
    await created(pool, queue="unregistered", recurrence="daily")
    await IdleQueues(pool, WorkQueues(connection), IDLE).step()
    assert [record["name"] for record in await pool.fetch(_NAMES)] == ["unregistered"]


async def test_an_idle_queue_that_is_consumed_stays(pool: Pool, connection: AbstractRobustConnection) -> None:
    async def ignore(_: object) -> None: ...

    channel = await connection.channel()
    await (await declare_work(channel, "served")).consume(ignore)
    await pool.execute("INSERT INTO queues VALUES ('served', clock_timestamp() - interval '2 hours')")
    idle_queues = IdleQueues(pool, WorkQueues(connection), IDLE)
    assert await idle_queues.step() == 1
    assert await exists(connection, "served")
    assert await pool.fetchval("SELECT used_at > clock_timestamp() - interval '1 hour' FROM queues")
