"""Every kind of connection finds the one of several nodes that serves, whatever the others do."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest
from faststream.rabbit import RabbitBroker

from duebook_common.broker import topology
from duebook_common.broker.nodes import with_one_host


@pytest.fixture
def urls(url: str) -> Iterator[str]:
    """Of a node that refuses, one that accepts and says nothing, and one that serves."""
    here = urlsplit(url).netloc.rpartition("@")[2]
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        others = [f"127.0.0.1:{each.getsockname()[1]}" for each in (refusing, silent)]
        yield url.replace(here, ",".join([*others, here]))


async def _robust(url: str) -> Any:
    return await topology.connect(url, "tests")


async def _plain(url: str) -> Any:
    return await aio_pika.connect(with_one_host(url))


async def _faststream(url: str) -> Any:
    broker = RabbitBroker(with_one_host(url), logger=None)
    await broker.connect()
    return broker


@pytest.mark.parametrize("connect", [_robust, _plain, _faststream])
async def test_a_connection_finds_the_node_that_serves(urls: str, connect: Callable[[str], Awaitable[Any]]) -> None:
    async with asyncio.timeout(120):
        for _ in range(4):  # in random order
            connection = await connect(urls)
            await (connection.stop() if isinstance(connection, RabbitBroker) else connection.close())
