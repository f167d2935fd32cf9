"""Redis locks of running attempts. They save double work and decide nothing: the version of the run's stream does.

Without Redis an executor goes on without locks.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def redis_client(url: str) -> "redis.Redis":
    """A client whose commands succeed or fail within a second: a longer wait would cost more than a lock saves."""
    client: redis.Redis = redis.Redis.from_url(
        url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0), health_check_interval=0
    )
    return client


_ACQUIRE = """
local acquired = {}
for i, key in ipairs(KEYS) do
    if redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2]) then acquired[i] = 1
    elseif redis.call('GET', key) == ARGV[1] then acquired[i] = redis.call('PEXPIRE', key, ARGV[2])
    else acquired[i] = 0 end
end
return acquired
"""
_RENEW = """
local renewed = {}
for i, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] then renewed[i] = redis.call('PEXPIRE', key, ARGV[2])
    elseif redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2]) then renewed[i] = 2
    else renewed[i] = 0 end
end
return renewed
"""
_RELEASE = """
local released = 0
for _, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] then released = released + redis.call('DEL', key) end
end
return released
"""


class RunLocks:
    """One lock for each run. `owner` must be unique to this start of this process; `lease` is the locks' lifetime.

    Each `kind` has locks of its own: `run` for attempts, `mail` for sending mails about a run.
    """

    def __init__(self, client: "redis.Redis", owner: str, lease: timedelta, kind: str = "run") -> None:
        self._owner, self._milliseconds, self._kind = owner, int(lease.total_seconds() * 1000), kind
        self._acquire = client.register_script(_ACQUIRE)
        self._renew = client.register_script(_RENEW)
        self._release = client.register_script(_RELEASE)

    async def acquire(self, run_ids: Sequence[UUID]) -> list[bool]:
        """Try to acquire each lock once; True also for a lock that we hold already. Raises what REDIS_FAILED lists."""
        acquired = await self._acquire(keys=self._keys(run_ids), args=[self._owner, self._milliseconds])
        return [bool(result) for result in acquired]

    async def renew(self, run_ids: Sequence[UUID]) -> list[bool]:
        """Extend each lock, or acquire it again if it has expired; False if another owner holds it."""
        renewed = await self._renew(keys=self._keys(run_ids), args=[self._owner, self._milliseconds])
        return [bool(result) for result in renewed]

    async def release(self, run_ids: Sequence[UUID]) -> int:
        """Release the locks that we still hold; returns their number."""
        return int(await self._release(keys=self._keys(run_ids), args=[self._owner]))

    def _keys(self, run_ids: Sequence[UUID]) -> list[str]:
        return [f"duebook:lock:{self._kind}:{run_id}" for run_id in run_ids]
