"""The Redis lock of a run's mails. It avoids duplicate mails but decides nothing: without Redis the work goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID, uuid4

from redis.asyncio import Redis

from duebook_common.runtime.redis_errors import REDIS_FAILED
from duebook_common.runtime.redis_locks import RunLocks
from duebook_common.runtime.telemetry import LOCKS

_LEASE = timedelta(seconds=30)
_POLL_SECONDS = 0.2


@asynccontextmanager
async def mail_lock(client: Redis, run_id: UUID, *, wait: bool) -> AsyncIterator[bool]:
    """Hold the lock for the block. Yields False if another holder has it and `wait` is False.

    Each call is an owner of its own, so that two deliveries in one process exclude each other.
    """
    locks = RunLocks(client, uuid4().hex, _LEASE, "mail")
    held = await _acquire(locks, run_id)
    while not held and wait:
        await asyncio.sleep(_POLL_SECONDS)
        held = await _acquire(locks, run_id)
    if not held:
        yield False
        return
    renewal = asyncio.create_task(_renew(locks, run_id))
    try:
        yield True
    finally:
        renewal.cancel()
        with suppress(*REDIS_FAILED):
            await locks.release([run_id])


async def _acquire(locks: RunLocks, run_id: UUID) -> bool:
    """Try the lock once; True also if Redis is unavailable."""
    try:
        [acquired] = await locks.acquire([run_id])
    except REDIS_FAILED:
        LOCKS.labels("unavailable").inc()
        return True
    LOCKS.labels("acquired" if acquired else "busy").inc()
    return acquired


async def _renew(locks: RunLocks, run_id: UUID) -> None:
    while True:
        await asyncio.sleep(_LEASE.total_seconds() / 3)
        with suppress(*REDIS_FAILED):
            await locks.renew([run_id])
