"""The limit of requests per key: a bucket for each client, as one process of the api sees it.

A bucket holds what its client has used, and drains evenly. A request is admitted while the bucket has room for it.
What an admitted request turns out to cost more is added without refusing it, so that nothing is read for nothing;
the requests after it wait for that. Refused requests cost nothing.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from typing import NamedTuple

from duebook_common.runtime.rates import Rate

JOBS_OF_ONE_UNIT = 10  # a batch is cheaper than its jobs one by one


class Allowance(NamedTuple):
    """What a client has left after a request, and the seconds until it has all, or may send the next request."""

    admitted: bool
    remaining: int
    full_after: int
    retry_after: int


@dataclass(slots=True)
class Bucket:
    """Units that a client has used; `unsent` are those that the other processes do not know of yet."""

    level: float
    at: float
    unsent: int = 0

    def drain(self, rate: Rate, now: float) -> None:
        self.level = max(0.0, self.level - (now - self.at) * rate.per_second)
        self.at = now

    def take(self, rate: Rate, now: float, cost: int = 1) -> Allowance:
        """Add the cost if there is room for it."""
        self.drain(rate, now)
        admitted = self.level + cost <= rate.count
        if admitted:
            self.add(cost)
        excess = self.level + cost - rate.count
        return Allowance(
            admitted,
            max(0, floor(rate.count - self.level)),
            ceil(self.level / rate.per_second),
            max(1, ceil(excess / rate.per_second)),
        )

    def add(self, cost: int) -> None:
        self.level += cost
        self.unsent += cost

    def learn(self, level: float, now: float) -> None:
        """Take over the level that all processes share; what was used since it was asked for is not in it."""
        self.level, self.at = level + self.unsent, now


def limit_headers(rate: Rate, allowance: Allowance) -> dict[str, str]:
    """The headers of every answer; the policy is the same in all."""
    headers = {
        "RateLimit-Policy": _policy(rate),
        "RateLimit": f'"default";r={allowance.remaining};t={allowance.full_after}',
    }
    return headers if allowance.admitted else headers | {"Retry-After": str(allowance.retry_after)}


@lru_cache(16)
def _policy(rate: Rate) -> str:
    return f'"default";q={rate.count};w={rate.per.total_seconds():.0f}'
