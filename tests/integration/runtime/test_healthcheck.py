"""The health check of a container asks the address at which its service listens."""

import os
import subprocess
import sys
from asyncio import to_thread
from datetime import timedelta

import pytest
from starlette.responses import PlainTextResponse

from duebook_common.runtime.http_server import HttpServer


def healthy(host: str, port: int) -> bool:
    environment = {**os.environ, "DUEBOOK_HOST": host, "DUEBOOK_PORT": str(port)}
    done = subprocess.run([sys.executable, "-ISE", "deploy/healthcheck.py"], env=environment, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1", "localhost"])
async def test_it_reaches_a_service_at_any_host(host: str, unused_tcp_port: int) -> None:
    server = await HttpServer(PlainTextResponse("ready"), host, unused_tcp_port, 8).start()
    assert await to_thread(healthy, host, unused_tcp_port)
    await server.stop(timedelta(0))


async def test_a_service_that_is_not_ready_or_not_there_is_unhealthy(unused_tcp_port: int) -> None:
    assert not await to_thread(healthy, "127.0.0.1", unused_tcp_port)
    server = await HttpServer(PlainTextResponse("draining", 503), "127.0.0.1", unused_tcp_port, 8).start()
    assert not await to_thread(healthy, "127.0.0.1", unused_tcp_port)
    await server.stop(timedelta(0))
