"""The job's lock decides who judges, and goes with its transaction. The run's lock only saves double work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from duebook_common.runtime.redis_locks import RunLocks, redis_client
from duebook_common.store.database import Pool, transaction
from duebook_common.store.locks import lock_jobs, slice_of, try_lock_jobs
from duebook_devstack.redis import Redis
from support.bookkeeping import eventually, waiting

LONG = timedelta(minutes=10)
HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"  # noqa: E501


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    async with redis_client(redis_url) as client:
        yield client


def job(slice_: int, n: int = 1) -> UUID:
    """A job of that slice."""
    id_ = UUID(int=(n << 40) + slice_)
    assert slice_of(id_) == slice_
    return id_


async def lock(pool: Pool, *jobs: UUID) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, jobs)


async def test_who_asks_for_a_locked_job_waits_for_the_holders_end(pool: Pool) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, [job(1)])
        other = asyncio.create_task(lock(pool, job(1)))
        await waiting(pool, other)
        assert not other.done()
        await lock(pool, job(2))  # another job's is free
    await other


async def test_the_lock_goes_with_a_rollback(pool: Pool) -> None:
    """Not with its connection, which other work goes on to use."""
    async with pool.acquire() as same:
        with suppress(ZeroDivisionError):
            async with same.transaction():
                await lock_jobs(same, [job(1)])
                await try_lock_jobs(same, [job(2)])
                raise ZeroDivisionError
        assert await pool.fetchval(HELD) == 0
        await lock(pool, job(1))


async def test_locks_taken_in_opposite_orders_never_deadlock(pool: Pool) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, [job(2)])
        one = asyncio.create_task(lock(pool, job(1), job(2), job(3)))
        await waiting(pool, one)
        other = asyncio.create_task(lock(pool, job(3), job(2), job(1)))
        await waiting(pool, other, count=2)
    await asyncio.gather(one, other)


async def test_trying_takes_what_is_free_and_waits_for_nothing(pool: Pool) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, [job(1), job(3)])
        async with transaction(pool) as other:
            wanted = [job(3), job(2), job(1, 2), job(2, 2), job(4)]
            assert await try_lock_jobs(other, wanted) == [job(2), job(2, 2), job(4)]
            third = asyncio.create_task(lock(pool, job(4)))
            await waiting(pool, third)
            assert not third.done()
    await third


async def test_no_number_of_jobs_fills_the_lock_table(pool: Pool) -> None:
    """PostgreSQL's lock table has a fixed size, so there are slices, and a batch of any size fits."""
    async with transaction(pool) as db:
        assert len(await try_lock_jobs(db, [uuid4() for _ in range(50_000)])) == 50_000
        assert await pool.fetchval(HELD) <= 1024


async def test_a_job_lock_takes_no_transaction_id(pool: Pool) -> None:
    """So that waiting for one, or holding it, hides no event from any reader."""
    async with transaction(pool) as db:
        await lock_jobs(db, [job(1)])
        assert await try_lock_jobs(db, [job(2)]) == [job(2)]
        assert await db.fetchval("SELECT pg_current_xact_id_if_assigned()") is None


def locks(client: "redis.asyncio.Redis", owner: str, lease: timedelta = LONG, kind: str = "run") -> RunLocks:
    return RunLocks(client, owner, lease, kind)


async def test_a_run_is_locked_by_one_owner(client: "redis.asyncio.Redis") -> None:
    mine, yours = locks(client, "me"), locks(client, "you")
    a, b, c = uuid4(), uuid4(), uuid4()
    assert await mine.acquire([a, b]) == [True, True]
    assert await yours.acquire([a, c, b]) == [False, True, False]
    assert await mine.acquire([c, a]) == [False, True]  # one's own counts as taken


async def test_locks_of_mails_and_runs_are_different_ones(client: "redis.asyncio.Redis") -> None:
    run_id = uuid4()
    assert await locks(client, "me").acquire([run_id]) == [True]
    assert await locks(client, "you", kind="mail").acquire([run_id]) == [True]


async def test_a_lock_ends_with_its_lease_and_another_takes_it(client: "redis.asyncio.Redis") -> None:
    run_id = uuid4()
    mine, yours = locks(client, "me", timedelta(milliseconds=50)), locks(client, "you")
    assert await mine.acquire([run_id]) == [True]

    async def taken() -> bool:
        return await yours.acquire([run_id]) == [True]

    await eventually(taken)
    assert await mine.renew([run_id]) == [False]
    assert await mine.release([run_id]) == 0
    assert await yours.renew([run_id]) == [True]


async def test_every_lock_has_an_end(client: "redis.asyncio.Redis") -> None:
    mine, run_id = locks(client, "me"), uuid4()
    await mine.acquire([run_id])
    (key,) = await client.keys("*")
    for call in (mine.renew, mine.acquire):
        await client.pexpire(key, 60_000)
        await call([run_id])
        assert await client.pttl(key) > 60_000


async def test_a_lock_that_vanished_is_taken_again_by_renewal(client: "redis.asyncio.Redis") -> None:
    mine, run_id = locks(client, "me"), uuid4()
    await mine.acquire([run_id])
    await client.flushall()
    assert await mine.renew([run_id]) == [True]
    assert await locks(client, "you").acquire([run_id]) == [False]
    (key,) = await client.keys("*")
    assert await client.pttl(key) > 0


async def test_release_gives_up_ones_own_and_nothing_else(client: "redis.asyncio.Redis") -> None:
    mine, yours = locks(client, "me"), locks(client, "you")
    a, b, c = uuid4(), uuid4(), uuid4()
    await mine.acquire([a])
    await yours.acquire([b])
    assert await mine.release([a, b, c]) == 1
    assert await yours.acquire([a, b]) == [True, True]


async def test_locks_outlive_a_flushed_script_cache(client: "redis.asyncio.Redis") -> None:
    mine, run_id = locks(client, "me"), uuid4()
    await mine.acquire([run_id])
    await client.script_flush()
    assert await mine.renew([run_id]) == [True]
    assert await mine.release([run_id]) == 1


async def test_a_redis_that_is_silent_is_told_within_seconds(private_redis: Redis) -> None:
    """Whoever asks goes on without a lock; the wait must not be longer than a lock is worth."""
    async with redis_client(private_redis.url) as client:
        mine = locks(client, "me")
        assert await mine.acquire([uuid4()]) == [True]
        private_redis.pause()
        async with asyncio.timeout(10):
            with pytest.raises((RedisError, OSError)):
                await mine.acquire([uuid4()])
        private_redis.kill()
        async with asyncio.timeout(10):
            with pytest.raises((RedisError, OSError)):
                await mine.acquire([uuid4()])
