"""Searches for the times of schedules that take milliseconds: beside the event loop, and one at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class ScheduleSearch:
    """Keeps one client's schedules from occupying the event loop, or all threads."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def run(self, takes_long: bool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function, in a thread if it takes long."""
        if not takes_long:
            return function(*args, **kwargs)
        async with self._lock:
            return await asyncio.to_thread(function, *args, **kwargs)

    @asynccontextmanager
    async def reserved(self, takes_long: bool) -> AsyncIterator[None]:
        """For a search within a transaction: wait before the transaction takes a connection."""
        if not takes_long:
            yield
            return
        async with self._lock:
            yield
