"""The api in a process of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from duebook_devstack.plain_http import WITHOUT_TLS
from support.api_app import JSON, NO_REDIS


@asynccontextmanager
async def api_process(
    postgres_url: str, port: int, **settings: str
) -> AsyncIterator[tuple[Process, httpx2.AsyncClient]]:
    environment = {
        **os.environ,
        "DUEBOOK_POSTGRES_URL": postgres_url,
        "DUEBOOK_REDIS_URL": NO_REDIS,
        "DUEBOOK_PORT": str(port),
        "DUEBOOK_AUTH": "off",
        **settings,
    }
    command = (sys.executable, "-m", "duebook_api")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=DEVNULL)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=JSON, verify=WITHOUT_TLS) as http:
            yield process, http
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def wait_until_ready(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(120):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)
