"""Work that belongs to the service and not to whoever waits for it.

The broker's library cancels a handler whenever its connection is lost. A mail that is half sent must still be
recorded, and the redelivery that follows must find it under way rather than send it again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class SingleFlight:
    """What is under way, each under a key."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Do the work, or wait for the one under way with this key; cancelling the wait leaves the work alone."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(_started(work))
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
            self._tasks[key] = task
        result: T = await asyncio.shield(task)
        return result

    async def drain(self, grace: timedelta) -> None:
        """Let what is under way finish within the grace time, and cancel the rest."""
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _started(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
