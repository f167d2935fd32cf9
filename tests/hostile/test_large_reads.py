"""A client that reads large payloads again and again, and slowly, delays no job of another client."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import httpx2
import pytest

from support.fleet import Platform
from support.harm import measured_harm

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

VERSIONS, JOBS, STREAMS = 150, 100, 6
HEADERS = {"Content-Type": "application/json"}


def payload(n: int) -> bytes:
    """256 KiB with the most values that one request may have, different for each `n`."""
    return b"[" + b"[]," * 86_000 + b"%d]" % n


@contextmanager
def slow_streams(platform: Platform) -> Iterator[None]:
    """Streams of all events, of which their client reads nothing."""
    with ExitStack() as stack:
        http = stack.enter_context(
            httpx2.Client(base_url=platform["api", 0].url, timeout=60, trust_env=False, limits=httpx2.Limits())
        )
        for _ in range(STREAMS):
            stack.enter_context(http.stream("GET", "/api/events/stream"))
        yield


def read(platform: Platform, path: str) -> None:
    answer = platform.api.get(path, timeout=60)
    assert answer.status_code == 200, (path, answer.text[:500])


def test_reads_of_a_job_with_many_large_versions_harm_no_other_client(platform: Platform) -> None:
    platform.start_all()
    job = platform.create(queue="served-by-none", recurrence={"every": "PT1H"})
    path = f"/api/job/{job['id']}"
    with measured_harm(platform) as harm:
        for n in range(VERSIONS):
            answer = platform.api.patch(path, content=b'{"payload":' + payload(n) + b"}", headers=HEADERS)
            assert answer.status_code == 200, answer.text[:500]
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        paths = [
            f"{path}?as_of={now}",
            f"{path}/ledger",
            f"{path}/events?limit=200",
            f"{path}/why",
            "/api/events?limit=200",
        ]
        with slow_streams(platform), ThreadPoolExecutor(3) as pool:
            for reading in [pool.submit(read, platform, each) for each in paths * 3]:
                reading.result()
            harm.victims(10)
    harm.must_be_small()


def test_lists_of_jobs_and_runs_with_large_payloads_harm_no_other_client(platform: Platform) -> None:
    platform.start_all()
    with measured_harm(platform) as harm:
        for n in range(JOBS):
            content = b'{"name":"large","queue":"served-by-none","payload":' + payload(n) + b"}"
            answer = platform.api.post("/api/job", content=content, headers=HEADERS)
            assert answer.status_code == 201, answer.text[:500]
        paths = ["/api/job?name=large&limit=200", "/api/run?limit=200", "/api/events?limit=200"]
        with ThreadPoolExecutor(3) as pool:
            for reading in [pool.submit(read, platform, each) for each in paths * 4]:
                reading.result()
            harm.victims(10)
    harm.must_be_small()
