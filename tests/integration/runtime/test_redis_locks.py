"""A lock in Redis keeps other executors from a run for one lease. It saves double work, and is not needed for more."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from duebook_common.runtime.redis_locks import RunLocks, redis_client
from duebook_devstack.redis import Redis
from support.bookkeeping import eventually

LONG = timedelta(minutes=10)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    async with redis_client(redis_url) as client:
        yield client


def locks(client: "redis.asyncio.Redis", owner: str, lease: timedelta = LONG, kind: str = "run") -> RunLocks:
    return RunLocks(client, owner, lease, kind)


async def test_a_run_is_locked_by_one_owner(client: "redis.asyncio.Redis") -> None:
    mine, yours = locks(client, "me"), locks(client, "you")
    a, b, c = uuid4(), uuid4(), uuid4()
    assert await mine.acquire([a, b]) == [True, True]
    assert await yours.acquire([a, c, b]) == [False, True, False]
    assert await mine.acquire([c, a]) == [False, True]  # a lock that the owner holds already counts as acquired


async def test_a_mail_and_a_run_with_the_same_id_have_different_locks(client: "redis.asyncio.Redis") -> None:
    run_id = uuid4()
    assert await locks(client, "me").acquire([run_id]) == [True]
    assert await locks(client, "you", kind="mail").acquire([run_id]) == [True]


async def test_another_owner_acquires_a_lock_whose_lease_ended(client: "redis.asyncio.Redis") -> None:
    run_id = uuid4()
    mine, yours = locks(client, "me", timedelta(milliseconds=50)), locks(client, "you")
    assert await mine.acquire([run_id]) == [True]

    async def acquired() -> bool:
        return await yours.acquire([run_id]) == [True]

    await eventually(acquired)
    assert await mine.renew([run_id]) == [False]
    assert await mine.release([run_id]) == 0
    assert await yours.renew([run_id]) == [True]


async def test_each_call_renews_the_lease_of_the_lock(client: "redis.asyncio.Redis") -> None:
    mine, run_id = locks(client, "me"), uuid4()
    await mine.acquire([run_id])
    (key,) = await client.keys("*")
    for call in (mine.renew, mine.acquire):
        await client.pexpire(key, 60_000)
        await call([run_id])
        assert await client.pttl(key) > 60_000


async def test_renewal_acquires_a_lock_that_redis_lost(client: "redis.asyncio.Redis") -> None:
    mine, run_id = locks(client, "me"), uuid4()
    await mine.acquire([run_id])
    await client.flushall()
    assert await mine.renew([run_id]) == [True]
    assert await locks(client, "you").acquire([run_id]) == [False]
    (key,) = await client.keys("*")
    assert await client.pttl(key) > 0


async def test_release_ends_only_the_locks_of_its_owner(client: "redis.asyncio.Redis") -> None:
    mine, yours = locks(client, "me"), locks(client, "you")
    a, b, c = uuid4(), uuid4(), uuid4()
    await mine.acquire([a])
    await yours.acquire([b])
    assert await mine.release([a, b, c]) == 1
    assert await yours.acquire([a, b]) == [True, True]


async def test_locks_survive_a_flushed_script_cache(client: "redis.asyncio.Redis") -> None:
    mine, run_id = locks(client, "me"), uuid4()
    await mine.acquire([run_id])
    await client.script_flush()
    assert await mine.renew([run_id]) == [True]
    assert await mine.release([run_id]) == 1


async def test_a_silent_redis_is_an_error_within_seconds(private_redis: Redis) -> None:
    """The executor goes on without a lock then, so it must not wait long."""
    async with redis_client(private_redis.url) as client:
        mine = locks(client, "me")
        assert await mine.acquire([uuid4()]) == [True]
        private_redis.pause()
        async with asyncio.timeout(30):
            with pytest.raises((RedisError, OSError)):
                await mine.acquire([uuid4()])
        private_redis.kill()
        async with asyncio.timeout(30):
            with pytest.raises((RedisError, OSError)):
                await mine.acquire([uuid4()])
