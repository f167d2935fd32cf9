"""A limited number of slots, shared fairly: a job with a thousand mails delays another job's mail by one of them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class FairSlots:
    """Each slot that becomes free goes to the next key in turn, and within a key to the one that waits longest."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}  # in the order of their turns

    @asynccontextmanager
    async def slot(self, key: Hashable) -> AsyncIterator[None]:
        """Hold a slot for the block."""
        await self._acquire(key)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, key: Hashable) -> None:
        if self._free:
            self._free -= 1
            return
        granted = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        """Hand the slot to the next key in turn; those that were cancelled while they waited get none."""
        while self._waiting:
            key = next(iter(self._waiting))
            of_key = self._waiting.pop(key)
            granted = of_key.popleft()
            if of_key:
                self._waiting[key] = of_key  # at the end: the other keys come first
            if not granted.done():
                granted.set_result(None)
                return
        self._free += 1
