"""Work that outlives the caller that waits for it, at most once at a time for each key.

FastStream cancels a handler when its connection is lost. A mail that is being sent must still be recorded, and the
redelivery must join the work under way instead of sending the mail again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class SingleFlight:
    """The work under way, by key."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Start the work, or join the work under way with this key. Cancelling the caller does not cancel the work."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(_started(work))
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
            self._tasks[key] = task
        result: T = await asyncio.shield(task)
        return result

    async def drain(self, grace: timedelta) -> None:
        """Wait until the work under way has finished, at most the grace time; then cancel the rest."""
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _started(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
