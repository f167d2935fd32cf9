"""(i) Jobs that clients create one by one, due in a day: how many a second, and how long each takes."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.recorded_runs import Lateness, percentiles

_COUNT = 4_000


async def creation(bench: Bench, clients: int) -> tuple[float, Lateness]:
    """Jobs a second, and the time of each in milliseconds. The clients have a process of their own."""
    await bench.settle()
    with get_context("spawn").Pool(1) as pool:
        seconds, took = await asyncio.to_thread(pool.apply, _create, (bench.services["api"].url, clients))
    return _COUNT / seconds, percentiles(sorted(took))


def _create(url: str, clients: int) -> tuple[float, list[float]]:
    return asyncio.run(_create_all(url, clients))


async def _create_all(url: str, clients: int) -> tuple[float, list[float]]:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = f'{{"name": "creation", "scheduled_at": "{later}"}}'.encode()
    address = urlsplit(url)
    head = f"POST /api/job HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    began = time.perf_counter()
    each = _COUNT // clients
    done = await asyncio.gather(*[_client(address.hostname, address.port, request, each) for _ in range(clients)])
    return time.perf_counter() - began, [took for client in done for took in client]


async def _client(host: str | None, port: int | None, request: bytes, count: int) -> list[float]:
    """Send the request again and again over one connection: an HTTP client would cost more than the api."""
    reader, writer = await asyncio.open_connection(host, port)
    took = []
    for _ in range(count):
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(head.decode())
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        took.append((time.perf_counter() - began) * 1000)
    writer.close()
    return took
