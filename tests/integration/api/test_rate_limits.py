"""The limit of requests per key: over several processes by Redis, and none without it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

import httpx2
import pytest
import structlog

from duebook_api.access.rate_limiter import RateLimiter
from duebook_api.app import build
from duebook_api.http.problems import Problem
from duebook_common.runtime.health import Health
from duebook_common.runtime.rates import Rate
from duebook_devstack.redis import Redis
from support.api_app import JSON, NO_REDIS, Api
from support.bookkeeping import eventually

RATE = Rate(10, timedelta(days=1))


@asynccontextmanager
async def limiters(count: int, redis_url: str, rate: Rate = RATE) -> AsyncIterator[list[RateLimiter]]:
    """As many processes as the api has, whose clocks stand still."""
    async with AsyncExitStack() as stack:
        made = [RateLimiter(rate, redis_url, clock=lambda: 0.0) for _ in range(count)]
        for limiter in made:
            stack.push_async_callback(limiter.close)
        yield made


def admitted(limiter: RateLimiter, client: str, count: int) -> int:
    """How many of so many requests were admitted."""
    passed = 0
    for _ in range(count):
        with suppress(Problem):
            limiter.admit(client)
            passed += 1
    return passed


async def test_all_processes_together_admit_as_many_as_the_limit_says(redis_url: str) -> None:
    async with limiters(3, redis_url) as (one, two, three):
        assert admitted(one, "key:a", 4) == 4
        await one.step()
        assert admitted(two, "key:a", 1) == 1
        await two.step()
        assert admitted(two, "key:a", 20) == 5
        assert admitted(two, "key:b", 20) == 10  # another client has a bucket of its own
        await two.step()
        admitted(three, "key:a", 1)
        await three.step()
        assert admitted(three, "key:a", 20) == 0


async def test_a_bucket_drains_by_the_clock_of_redis(redis_url: str) -> None:
    async with limiters(1, redis_url, Rate(10, timedelta(seconds=1))) as (limiter,):
        limiter.charge("key:a", 10)

        async def drained() -> bool:
            limiter._used.add("key:a")
            await limiter.step()
            return limiter._buckets == {}

        await eventually(drained)


async def test_without_redis_everything_passes_and_one_line_says_so(redis_url: str) -> None:
    with structlog.testing.capture_logs() as lines:
        async with limiters(1, NO_REDIS) as (limiter,):
            admitted(limiter, "key:a", 1)
            for _ in range(3):
                await limiter.step()
            assert admitted(limiter, "key:a", 100) == 100
            assert limiter.admit("key:a") == {}
    assert [line["log_level"] for line in lines] == ["warning"]


async def test_limits_hold_again_once_redis_is_back(private_redis: Redis) -> None:
    async with limiters(1, private_redis.url) as (limiter,):
        admitted(limiter, "key:a", 1)
        await limiter.step()
        private_redis.stop()
        admitted(limiter, "key:a", 1)
        await limiter.step()
        assert admitted(limiter, "key:a", 100) == 100
        private_redis.start()

        async def enforced() -> bool:
            await limiter.step()
            return admitted(limiter, "key:a", 100) == 10

        await eventually(enforced)


@pytest.fixture
async def http(api: Api, redis_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The api with a limit of ten requests."""
    async with limiters(1, redis_url) as (limiter,):
        app = build(api.deps, Health(), None, limiter)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=JSON) as http:
            yield http


async def test_a_request_beyond_the_limit_is_answered_with_429_and_when_to_come_again(http: httpx2.AsyncClient) -> None:
    answers = [await http.get("/api/job") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=10;w=86400'
    assert answers[0].headers["ratelimit"] == '"default";r=9;t=8640'
    refused = answers[-1]
    assert (refused.headers["ratelimit"], refused.headers["retry-after"]) == ('"default";r=0;t=86400', "8640")
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.json()["status"], refused.json()["code"]) == (429, "rate_limited")
    assert "10 requests in any day" in refused.json()["detail"]
    for path in ("/livez", "/readyz", "/metrics", "/api/docs", "/api/openapi.json"):
        assert "ratelimit" not in (await http.get(path)).headers, path


async def test_ten_jobs_of_a_batch_count_as_one_request(http: httpx2.AsyncClient) -> None:
    jobs = {"jobs": [{"name": "n", "scheduled_at": "2100-01-01T00:00:00Z"}] * 40}
    assert (await http.post("/api/job/batch", json=jobs)).status_code == 201
    assert (await http.get("/api/job")).headers["ratelimit"].startswith('"default";r=4;')
    assert (await http.post("/api/job/batch", json={"jobs": jobs["jobs"] * 10})).status_code == 201
    assert (await http.get("/api/job")).status_code == 429


async def test_an_error_has_the_headers_of_the_limit_too(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/api/job/nothing")
    assert (answer.status_code, answer.headers["ratelimit"]) == (404, '"default";r=9;t=8640')
