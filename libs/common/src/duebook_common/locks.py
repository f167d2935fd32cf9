"""Locks in PostgreSQL and in Redis.

The job's lock is PostgreSQL's and decides who judges. It is taken per slice of jobs, because a batch would
otherwise hold more locks than PostgreSQL's lock table has places for. So is a concurrency key's, by whoever holds the
lock of the job already, never the other way round. The run's lock is Redis's: it saves double
work and decides nothing, so whoever finds Redis away goes on without it.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID
from zlib import crc32

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from duebook_common.database import Connection

_JOBS, _KEYS, _SLICES = 7238, 7240, 1024

_LOCK = "SELECT pg_advisory_xact_lock($1, slice) FROM unnest($2::int[]) AS slice"
_TRY_LOCK = "SELECT slice FROM unnest($2::int[]) AS slice WHERE pg_try_advisory_xact_lock($1, slice)"


def slice_of(job_id: UUID) -> int:
    return job_id.int % _SLICES


async def lock_jobs(db: Connection, job_ids: Iterable[UUID]) -> None:
    """Wait for the jobs' locks, in sorted order so that nobody deadlocks; held to the end of the transaction."""
    await db.execute(_LOCK, _JOBS, sorted({slice_of(job_id) for job_id in job_ids}))


async def try_lock_jobs(db: Connection, job_ids: Sequence[UUID]) -> list[UUID]:
    """Take the locks that are free; returns the jobs that are locked now."""
    wanted = sorted({slice_of(job_id) for job_id in job_ids})
    taken = {record["slice"] for record in await db.fetch(_TRY_LOCK, _JOBS, wanted)}
    return [job_id for job_id in job_ids if slice_of(job_id) in taken]


async def lock_keys(db: Connection, keys: Iterable[str]) -> None:
    """Wait for the locks of concurrency keys, in sorted order; held to the end of the transaction."""
    slices = sorted({crc32(key.encode()) % _SLICES for key in keys})
    if slices:
        await db.execute(_LOCK, _KEYS, slices)


def redis_client(url: str) -> "redis.Redis":
    """A client that answers or fails within a second: a lock that is waited for longer is worth nothing."""
    client: redis.Redis = redis.Redis.from_url(
        url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0), health_check_interval=0
    )
    return client


_ACQUIRE = """
local got = {}
for i, key in ipairs(KEYS) do
    if redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2]) then got[i] = 1
    elseif redis.call('GET', key) == ARGV[1] then got[i] = redis.call('PEXPIRE', key, ARGV[2])
    else got[i] = 0 end
end
return got
"""
_RENEW = """
local kept = {}
for i, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] then kept[i] = redis.call('PEXPIRE', key, ARGV[2])
    elseif redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2]) then kept[i] = 2
    else kept[i] = 0 end
end
return kept
"""
_RELEASE = """
local gone = 0
for _, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] then gone = gone + redis.call('DEL', key) end
end
return gone
"""


class RunLocks:
    """The locks of one process's running attempts; `owner` is unlike that of any other process or start.

    With `kind` mail, the locks of those who are sending mails about a run.
    """

    def __init__(self, client: "redis.Redis", owner: str, lease: timedelta, kind: str = "run") -> None:
        self._owner, self._milliseconds, self._kind = owner, int(lease.total_seconds() * 1000), kind
        self._acquire = client.register_script(_ACQUIRE)
        self._renew = client.register_script(_RENEW)
        self._release = client.register_script(_RELEASE)

    async def acquire(self, run_ids: Sequence[UUID]) -> list[bool]:
        """Try each lock once; our own counts as taken. Raises redis.RedisError where Redis is away."""
        got = await self._acquire(keys=self._keys(run_ids), args=[self._owner, self._milliseconds])
        return [bool(answer) for answer in got]

    async def renew(self, run_ids: Sequence[UUID]) -> list[bool]:
        """Prolong each lock, or take it again where it has vanished; False where another owner has it."""
        kept = await self._renew(keys=self._keys(run_ids), args=[self._owner, self._milliseconds])
        return [bool(answer) for answer in kept]

    async def release(self, run_ids: Sequence[UUID]) -> int:
        """Give up those locks that are still ours; returns how many were."""
        return int(await self._release(keys=self._keys(run_ids), args=[self._owner]))

    def _keys(self, run_ids: Sequence[UUID]) -> list[str]:
        return [f"duebook:lock:{self._kind}:{run_id}" for run_id in run_ids]
