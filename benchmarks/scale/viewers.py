"""Fifty viewers of live pages.

A viewer is what `live.js` does: an event stream, and a refresh of its page when the log has grown, at most once a
second. The viewers run in a process of their own, with the lowest priority: browsers do not run on the servers.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

VIEWERS = 50
_PAGES = ("/console", "/console/jobs", "/console/runs")
_REFRESH_SECONDS = 1.0


@contextmanager
def watching(url: str) -> Iterator[None]:
    """Fifty viewers with open streams. Raises RuntimeError if they end early: the window would have none."""
    command = [sys.executable, "-m", "benchmarks.scale.viewers", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise RuntimeError("the viewers could not open their streams")
            yield
            if process.poll() is not None:
                raise RuntimeError("the viewers ended before the measurement")
        finally:
            process.terminate()


async def watch(url: str) -> None:
    """Watch until the process is ended; a line is printed when all streams are open."""
    opened = asyncio.Barrier(VIEWERS)
    host, port = httpx2.URL(url).host, httpx2.URL(url).port or 80
    await asyncio.gather(*(_view(host, port, _PAGES[n % len(_PAGES)], opened) for n in range(VIEWERS)))


async def _view(host: str, port: int, page: str, opened: asyncio.Barrier) -> None:
    """One viewer, with as little work as can be: its process takes its share of the same cores."""
    browser = await asyncio.open_connection(host, port)
    await _get(*browser, page, "1")
    stream, writer = await asyncio.open_connection(host, port)
    writer.write(_request(host, "/console/live"))
    await stream.readuntil(b"retry:")
    if await opened.wait() == 0:
        print("open", flush=True)
    refreshed_at = 0.0
    async for line in stream:
        if line.startswith(b"id: "):
            await asyncio.sleep(max(0.0, refreshed_at + _REFRESH_SECONDS - time.monotonic()))
            await _get(*browser, page, line.removeprefix(b"id: ").decode().strip())
            refreshed_at = time.monotonic()


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, page: str, position: str) -> None:
    """Load the page. Raises RuntimeError if it is not answered with 200."""
    writer.write(_request("127.0.0.1", page, f"X-Live: {position}\r\nAccept-Encoding: gzip\r\n"))
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"{page}: {head.decode()}")
    await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))


def _request(host: str, path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode()


if __name__ == "__main__":
    os.nice(19)
    asyncio.run(watch(sys.argv[1]))
