"""The limit of requests per key over all processes of the api: each counts by itself, and Redis adds up.

A request costs no round trip. Ten times a second one script sends to Redis what was used since and brings back what
all processes have used; so a client may exceed its limit by what it sends to several processes within a tenth of a
second, and pays for it afterwards. Without Redis everything passes: a limit protects the service, and must not end it.
"""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from duebook_api.access.rate_limit import Allowance, Bucket, limit_headers
from duebook_api.http.problems import Problem
from duebook_common.runtime.phrases import interval
from duebook_common.runtime.rates import Rate
from duebook_common.runtime.redis_errors import REDIS_FAILED
from duebook_common.runtime.redis_locks import redis_client

log = structlog.stdlib.get_logger("rate_limits")

_INTERVAL, _WITHOUT_REDIS = timedelta(seconds=0.1), timedelta(seconds=1)
_MOST_BUCKETS = 10_000

# By the clock of Redis, which all processes share. If it was set back, a bucket does not drain meanwhile.
_SHARE = """
local time = redis.call('TIME')
local now, rate, levels = time[1] + time[2] / 1000000, tonumber(ARGV[1]), {}
for i, key in ipairs(KEYS) do
    local stored = redis.call('HMGET', key, 'level', 'at')
    local elapsed = math.max(0, now - (tonumber(stored[2]) or now))
    local level = math.max(0, (tonumber(stored[1]) or 0) - elapsed * rate) + tonumber(ARGV[i + 1])
    if level > 0 then
        redis.call('HSET', key, 'level', tostring(level), 'at', tostring(now))
        redis.call('PEXPIRE', key, math.ceil(level / rate * 1000) + 1000)
    end
    levels[i] = tostring(level)
end
return levels
"""


class RateLimiter:
    """Counts the requests of each client and refuses those beyond the rate; without a rate it refuses none."""

    def __init__(self, rate: Rate | None, redis_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._redis = redis_client(redis_url)
        self._share = self._redis.register_script(_SHARE)
        self._buckets: dict[str, Bucket] = {}
        self._used: set[str] = set()  # since the last synchronisation
        self._enforced = True

    def admit(self, client: str) -> dict[str, str]:
        """Count a request; returns the headers for its answer. Raises Problem 429 beyond the limit."""
        if self._rate is None or not self._enforced:
            return {}
        allowance = self._bucket(client).take(self._rate, self._clock())
        headers = limit_headers(self._rate, allowance)
        if not allowance.admitted:
            raise Problem(429, "rate_limited", _detail(self._rate, allowance), headers=headers)
        return headers

    def charge(self, client: str, cost: int) -> None:
        """Add what a request that was admitted costs beyond one."""
        if cost > 0 and self._rate is not None and self._enforced:
            self._bucket(client).add(cost)

    def _bucket(self, client: str) -> Bucket:
        self._used.add(client)
        if client not in self._buckets:
            if len(self._buckets) >= _MOST_BUCKETS:
                self._buckets.clear()
            self._buckets[client] = Bucket(0.0, self._clock())
        return self._buckets[client]

    async def step(self) -> int:
        """Synchronise the clients that sent requests since the last step with the other processes."""
        clients = [client for client in self._used if client in self._buckets]
        self._used.clear()
        if self._rate is None or (not clients and self._enforced):
            return 0
        try:
            await self._synchronise(clients, self._rate)
            if not self._enforced:
                log.info("rate limits are enforced again")
            self._enforced = True
        except REDIS_FAILED as error:
            if self._enforced:
                log.warning("rate limits are not enforced while Redis does not answer", error=error)
            self._enforced = False
            self._buckets.clear()
        return 0

    async def _synchronise(self, clients: Sequence[str], rate: Rate) -> None:
        if not clients:
            await self._redis.ping()
            return
        buckets = [self._buckets[client] for client in clients]
        sent = [bucket.unsent for bucket in buckets]
        for bucket in buckets:
            bucket.unsent = 0
        levels = await self._share(keys=[f"duebook:rate:{client}" for client in clients], args=[rate.per_second, *sent])
        now = self._clock()
        for bucket, level in zip(buckets, levels, strict=True):
            bucket.learn(float(level), now)
        self._forget_drained(rate, now)

    def _forget_drained(self, rate: Rate, now: float) -> None:
        for bucket in self._buckets.values():
            bucket.drain(rate, now)
        self._buckets = {client: bucket for client, bucket in self._buckets.items() if bucket.level > 0}

    def pause(self) -> timedelta:
        return _INTERVAL if self._enforced else _WITHOUT_REDIS

    async def close(self) -> None:
        await self._redis.aclose()


def _detail(rate: Rate, allowance: Allowance) -> str:
    of = f"{rate.count} requests in any {interval(rate.per)} (ten jobs of a batch count as one request)"
    return f"a client may send {of}; try again in {allowance.retry_after} s"
