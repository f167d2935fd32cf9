"""The api in a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.processes import Process
from duebook_devstack.services import Service
from duebook_devstack.stack_dir import StackDir
from support import servers
from support.api_app import JSON, NO_REDIS
from support.forked import ForkedService


@asynccontextmanager
async def api_process(
    postgres_url: str, port: int, kind: type[Service] = ForkedService, /, **settings: str
) -> AsyncIterator[tuple[Process, httpx2.AsyncClient]]:
    """The api, forked or, as a plain `Service`, started as a program, and a client of it."""
    urls = {"DUEBOOK_POSTGRES_URL": postgres_url, "DUEBOOK_REDIS_URL": NO_REDIS}
    stack_dir = StackDir(servers.private_path())
    service = kind(stack_dir, "api", port, {**urls, "DUEBOOK_AUTH": "off", **settings})
    service.start()
    assert service.process is not None
    try:
        async with httpx2.AsyncClient(base_url=service.url, headers=JSON, timeout=60, verify=WITHOUT_TLS) as http:
            yield service.process, http
    finally:
        service.kill()
        stack_dir.close()


async def wait_until_ready(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(120):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)


async def exit_code(process: Process) -> int:
    """The exit code of the process, once it has ended."""
    async with asyncio.timeout(60):
        while (code := process.exit_code) is None:
            await asyncio.sleep(0.01)
        return code
