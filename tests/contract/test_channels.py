"""A connection lasts for weeks, so a channel that was closed must leave nothing behind on it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from duebook_common.broker import topology
from support.broker_memory import held
from support.proxy import Proxy


async def close_one(connection: AbstractConnection) -> None:
    channel = await connection.channel()
    await channel.close()


async def fail_one(connection: AbstractConnection) -> None:
    """The broker closes the channel, and the library opens it again before we close it."""
    channel = await connection.channel()
    with suppress(ChannelNotFoundEntity):
        await channel.declare_queue("no-such-queue", passive=True)
    await channel.close()


@pytest.mark.parametrize("use", [close_one, fail_one])
async def test_a_closed_channel_leaves_nothing_on_its_connection(
    url: str, use: Callable[[AbstractConnection], Awaitable[None]]
) -> None:
    async with await topology.connect(url, "tests") as connection:
        await use(connection)
        before = await held()
        for _ in range(25):
            await use(connection)
        grown = await held() - before
        assert max(grown.values(), default=0) < 5, grown


async def test_a_lost_connection_ends_and_renews_its_channel(url: str) -> None:
    async with Proxy(url) as proxy, await topology.connect(proxy.url, "tests") as connection:
        await close_one(connection)
        channel = await connection.channel()
        underlay, lost = await channel.get_underlay_channel(), asyncio.Event()
        channel.close_callbacks.add(lambda *_: lost.set())
        proxy.cut()
        async with asyncio.timeout(60):
            await lost.wait()
            await channel.ready()
        assert await channel.get_underlay_channel() is not underlay
