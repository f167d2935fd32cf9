"""The end of an executor is noticed at once, and a lost connection is not taken for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from duebook_common.broker import topology
from duebook_common.domain.run.commands import StartAttempt
from duebook_common.domain.run.losses import EXECUTOR_ENDED
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.redis_locks import RunLocks, redis_client
from duebook_common.runtime.settings import read
from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, Pool
from duebook_common.store.executors import register
from duebook_common.store.rows import load_runs
from duebook_common.store.run_handling import RunWork, handle_runs
from duebook_common.store.signs import SignOfLife, open_session
from duebook_executor.consumer import Consumer
from duebook_scheduler.ended_executors import EndedExecutors
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.settings import SchedulerSettings
from duebook_scheduler.sign_history import GRACE
from duebook_scheduler.work_queues import WorkQueues
from support.bookkeeping import ACTOR, dispatched, eventually
from support.schedulers import RecordingSender

_LEASE = timedelta(minutes=10)
_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = ANY($1) AND datname = current_database()
"""
_SIGNS = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND classid = 7244 AND datname = current_database()
"""
_SIGN, _WATCH = "duebook-sign-of-life", "duebook-signs-of-life"


@dataclass
class World:
    """An executor with one run, without its process, and a scheduler that watches it."""

    pool: Pool
    watcher: EndedExecutors
    sign: SignOfLife
    consumer: Consumer
    locks: RunLocks
    run: Run

    async def recorded(self) -> Run:
        async with self.pool.acquire() as db:
            return (await load_runs(db, [self.run.id]))[self.run.id]

    async def is_trusted(self) -> bool:
        await self.watcher.step()
        return bool(self.watcher._history.watched)

    async def is_lost(self) -> bool:
        with suppress(Exception):  # its loop repeats a failed step
            await self.watcher.step()
        return (await self.recorded()).status is not RunStatus.RUNNING

    async def stays_running(self) -> bool:
        """Beyond the grace time nothing is lost."""
        end = asyncio.get_running_loop().time() + 3 * GRACE.total_seconds()
        while asyncio.get_running_loop().time() < end:
            if await self.is_lost():
                return False
            await asyncio.sleep(GRACE.total_seconds() / 3)
        return True

    async def end_sessions(self, *names: str) -> None:
        await self.pool.execute(_SESSIONS, names)


@pytest.fixture
async def world(pool: Pool, postgres_url: str, rabbitmq_url: str, redis_url: str) -> AsyncIterator[World]:
    urls = {"POSTGRES": postgres_url, "RABBITMQ": rabbitmq_url, "REDIS": redis_url}
    settings = read(SchedulerSettings, {f"DUEBOOK_{name}_URL": value for name, value in urls.items()})
    name, clock = f"executor host/{uuid4()}", Clock()
    await clock.measure(pool)
    consumer = Consumer(rabbitmq_url, ["default"], 1, receive=_never)
    async with await topology.connect(rabbitmq_url, "test") as connection, redis_client(redis_url) as redis:
        locks, sign = RunLocks(redis, name, _LEASE), SignOfLife(postgres_url, name)
        context, queues = PollContext(pool, clock, settings, ACTOR), WorkQueues(connection)
        watcher = EndedExecutors(context, postgres_url, queues, redis, RecordingSender(), lambda: None)
        await consumer.start()
        await consumer.declare_presence(topology.presence_queue(name))
        await sign.step()
        await register(pool, name, ["default"], ["log"])
        run = await _started(pool, name, clock)
        await locks.acquire([run.id])
        world = World(pool, watcher, sign, consumer, locks, run)
        await eventually(world.is_trusted)
        yield world
        watcher.close()
        sign.close()
        await consumer.close()


async def _started(pool: Pool, executor: str, clock: Clock) -> Run:
    run = await dispatched(pool)
    start = StartAttempt(run.dispatch, executor, timedelta(seconds=30), clock.now())
    await handle_runs(pool, [RunWork(run.id, start)], Actor(executor))
    return run


async def _never(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


async def test_the_attempts_of_an_executor_that_ended_are_lost_at_once(world: World) -> None:
    world.sign.close()
    await world.consumer.close()
    await eventually(world.is_lost)
    run = await world.recorded()
    assert (run.status, run.error, run.failures) == (RunStatus.RETRYING, EXECUTOR_ENDED, 1)
    assert await world.locks.release([run.id]) == 0  # it was released for the next executor
    assert await world.pool.fetchval("SELECT seen_at < now() - interval '1 minute' FROM executors")


async def test_an_executor_that_connects_again_keeps_what_it_starts_then(world: World) -> None:
    world.sign.close()
    await world.consumer.close()
    await eventually(world.is_lost)
    await world.sign.step()
    world.run = await _started(world.pool, (await world.recorded()).executor or "", Clock())
    assert await world.stays_running()


async def test_a_sign_that_is_given_stays_given(world: World) -> None:
    for _ in range(3):
        await world.sign.step()
    assert not world.sign.lost.is_set()


async def test_a_sign_whose_connection_is_cut_is_given_again_and_nothing_is_lost(world: World) -> None:
    await world.end_sessions(_SIGN)
    async with asyncio.timeout(30):
        await world.sign.lost.wait()
    assert await world.stays_running()  # its connection with the broker proves that the executor runs
    await world.sign.step()
    await world.consumer.close()
    assert await world.stays_running()  # and now its sign, as while the process is stopped


async def test_ends_beside_a_restart_of_postgresql_are_left_to_the_leases(world: World) -> None:
    await world.end_sessions(_SIGN, _WATCH)
    await world.consumer.close()
    assert await world.stays_running()
    await world.sign.step()
    assert await world.stays_running()


async def test_an_executor_that_the_broker_never_knew_is_left_to_its_lease(world: World) -> None:
    world.watcher.close()  # another scheduler, that sees the sign after the queue has gone
    await world.consumer.close()
    await world.watcher.step()
    world.sign.close()
    assert await world.stays_running()


async def test_over_a_pooler_no_sign_is_given_and_none_is_watched(world: World, postgres_url: str) -> None:
    async with _pooler(postgres_url) as url:
        assert await open_session(url, "test") is None
        sign = SignOfLife(url, "executor host/pooled")
        assert [await sign.step(), await sign.step()] == [0, 0]
    async with world.pool.acquire() as db:
        assert await db.fetchval(_SIGNS) == 1  # that of the executor without a pooler


@asynccontextmanager
async def _pooler(url: str) -> AsyncIterator[str]:
    """Gives its clients process numbers of its own, as poolers do."""
    target, pumps = urlsplit(url), set[asyncio.Task[None]]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while data := await reader.read(65536):
                key = data.find(b"K\0\0\0\x0c")
                writer.write(data if key < 0 else data[: key + 5] + b"\1\2\3\4" + data[key + 9 :])

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(target.hostname, target.port)
        pumps.add(asyncio.create_task(pump(reader, server_writer)))
        pumps.add(asyncio.create_task(pump(server_reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield target._replace(netloc=f"{target.netloc.rpartition(':')[0]}:{port}").geturl()
        for each in pumps:
            each.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
