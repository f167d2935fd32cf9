"""Connections on which no request arrives take neither the probes nor the service's own connections away."""

import asyncio
import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress

import httpx2
import pytest

from duebook_common.store.database import Pool
from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.ports import free_port
from duebook_devstack.services import Service
from support.api_process import api_process, wait_until_ready

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

SILENT, DESCRIPTORS = 300, 256


@contextmanager
def few_descriptors() -> Iterator[None]:
    """What is started here may have few file descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_silent_connections_take_nothing_from_others(postgres_url: str, pool: Pool) -> None:
    port = free_port()
    async with AsyncExitStack() as running:
        with few_descriptors():
            # A child of this process takes on its limit; the fork server has another one, and would keep this one.
            api = api_process(postgres_url, port, Service)
            process, http = await running.enter_async_context(api)
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] == DESCRIPTORS
        await wait_until_ready(http)
        with ExitStack() as stack:
            silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(SILENT)]
            for each in silent[::2]:
                with suppress(ConnectionError):
                    each.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            await ask_anew(port, "/livez")
            await ask_anew(port, "/api/job")
            await pool.execute(TERMINATE)  # so the service needs descriptors for new connections
            await wait_until_ready(http)
            await ask_anew(port, "/livez")
            await asyncio.to_thread(await_ends, silent)


TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'duebook-api'
"""


def await_ends(connections: Sequence[socket.socket]) -> None:
    """The service closes each of them after a while; what it says before that is not of interest."""
    for connection in connections:
        connection.settimeout(60)
        with suppress(ConnectionError):
            while connection.recv(4096):
                pass


async def ask_anew(port: int, path: str) -> None:
    """Many requests, each on a connection of its own."""
    for _ in range(50):
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, verify=WITHOUT_TLS) as http:
            assert (await http.get(path)).status_code == 200
