"""(i) Jobs that clients create one by one, due in a day: how many a second, and how long each takes."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from urllib.parse import urlsplit

import uvloop

from benchmarks.bench import Bench
from benchmarks.recorded_runs import Lateness, percentiles

_COUNT = 4_000


async def creation(bench: Bench, clients: int) -> tuple[float, Lateness]:
    """Jobs a second, and the time of each in milliseconds. The clients, in a process of their own, share the apis."""
    await bench.settle()
    urls = [service.url for name, service in bench.services.items() if name.startswith("api")]
    with get_context("spawn").Pool(1) as pool:
        seconds, took = await asyncio.to_thread(pool.apply, _create, (urls, clients))
    return _COUNT / seconds, percentiles(sorted(took))


def _create(urls: Sequence[str], clients: int) -> tuple[float, list[float]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_create_all(urls, clients))


async def _create_all(urls: Sequence[str], clients: int) -> tuple[float, list[float]]:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = f'{{"name": "creation", "scheduled_at": "{later}"}}'.encode()
    began = time.perf_counter()
    made = [await _connect(urls[n % len(urls)], body, _COUNT // clients) for n in range(clients)]
    done = await asyncio.gather(*(client.took for client in made))
    return time.perf_counter() - began, [took for client in done for took in client]


async def _connect(url: str, body: bytes, count: int) -> "_Client":
    address = urlsplit(url)
    head = f"POST /api/job HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    connect = asyncio.get_running_loop().create_connection
    _, client = await connect(lambda: _Client(request, count), address.hostname or "", address.port or 0)
    return client


class _Client(asyncio.Protocol):
    """Sends the request again and again over one connection: an HTTP client would cost more than the api."""

    def __init__(self, request: bytes, count: int) -> None:
        self._request, self._count = request, count
        self._times: list[float] = []
        self._answer = b""
        self.took: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._answer, self._began = b"", time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length):
            return
        self._times.append((time.perf_counter() - self._began) * 1000)
        if not head.startswith(b"HTTP/1.1 201"):
            self.took.set_exception(RuntimeError(head.decode()))
        elif len(self._times) < self._count:
            self._send()
        else:
            self._transport.close()
            self.took.set_result(self._times)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.took.done():
            self.took.set_exception(error or ConnectionError("the api closed the connection"))
