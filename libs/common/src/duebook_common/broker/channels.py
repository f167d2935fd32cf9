"""Channels that leave nothing behind on their connection once they are closed.

Each look at `closing` of an aiormq 7.2 connection makes another future, which the connection holds until it ends. So
aio_pika 10.2, which adds a callback there for each channel and removes it when the channel closes, removes it from
another future: each closed channel kept some kilobytes for as long as its connection lasted. Here the future is kept,
and cancelled when the channel closes, which aiormq takes for the end of its use.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import aio_pika.channel
from aio_pika.abc import UnderlayChannel
from aio_pika.tools import OneShotCallback
from aiormq.abc import AbstractConnection, ExceptionType


class TidyUnderlayChannel(UnderlayChannel):
    """In the place of the library's class, which `install` replaces."""

    @classmethod
    async def create(
        cls, connection: AbstractConnection, close_callback: Callable[..., Awaitable[Any]], **kwargs: Any
    ) -> "TidyUnderlayChannel":
        """Open a channel; its end, or that of the connection, calls `close_callback` once."""
        await connection.ready()
        closed, lost = OneShotCallback(close_callback), connection.closing
        try:
            channel = await connection.channel(**kwargs)
        except BaseException:
            lost.cancel()
            raise
        lost.add_done_callback(closed)
        closing = channel.closing
        closing.add_done_callback(closed)  # before `lost` is cancelled, which calls it too
        closing.add_done_callback(lambda _: lost.cancel())
        return cls(channel=channel, close_callback=closed)

    async def close(self, exc: ExceptionType | None = None) -> None:
        """Close the channel, and wait until its callbacks are done."""
        if not self.close_callback.finished.is_set():
            await self.channel.close(exc)
            await self.close_callback.wait()


def install() -> None:
    """Let all channels of this process be tidy."""
    aio_pika.channel.UnderlayChannel = TidyUnderlayChannel  # type: ignore[attr-defined]
