"""The Redis lock of a run's mails: it saves double sending and decides nothing, so without Redis work goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from duebook_common.runtime.redis_locks import RunLocks
from duebook_common.runtime.telemetry import LOCKS

_LEASE, _LOOK_AGAIN_SECONDS = timedelta(seconds=30), 0.2


@asynccontextmanager
async def mail_lock(client: Redis, run_id: UUID, *, wait: bool) -> AsyncIterator[bool]:
    """Hold the lock for the block; False where another has it and `wait` was not asked for.

    Each holder is an owner of its own: two deliveries in one process exclude each other, too.
    """
    locks = RunLocks(client, uuid4().hex, _LEASE, "mail")
    held = await _taken(locks, run_id)
    while not held and wait:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        held = await _taken(locks, run_id)
    if not held:
        yield False
        return
    keeper = asyncio.create_task(_keep(locks, run_id))
    try:
        yield True
    finally:
        keeper.cancel()
        with suppress(RedisError):
            await locks.release([run_id])


async def _taken(locks: RunLocks, run_id: UUID) -> bool:
    try:
        taken = (await locks.acquire([run_id]))[0]
    except RedisError:
        LOCKS.labels("unavailable").inc()
        return True
    LOCKS.labels("acquired" if taken else "busy").inc()
    return taken


async def _keep(locks: RunLocks, run_id: UUID) -> None:
    while True:
        await asyncio.sleep(_LEASE.total_seconds() / 3)
        with suppress(RedisError):
            await locks.renew([run_id])
