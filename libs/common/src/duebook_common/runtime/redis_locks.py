"""Redis locks of running attempts: they save double work and decide nothing.

Where Redis is away, an executor goes on without its lock: the version of the run's stream decides.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


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
