"""Slots for costly work, of which no client may hold all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class _Client:
    slots: asyncio.Semaphore
    users: int = 0  # those that have a slot or wait for one


class SharedSlots:
    """`total` slots, at most `of_one` of them for the same client. Further requests of that client delay no other."""

    def __init__(self, total: int, of_one: int) -> None:
        self._free, self._of_one = asyncio.Semaphore(total), of_one
        self._clients: dict[str, _Client] = {}

    @asynccontextmanager
    async def slot(self, client: str) -> AsyncIterator[None]:
        """Hold a slot while the context lasts; waits for one."""
        own = self._clients.setdefault(client, _Client(asyncio.Semaphore(self._of_one)))
        own.users += 1
        try:
            async with own.slots, self._free:  # in this order: who waits for his own slots holds no other
                yield
        finally:
            own.users -= 1
            if not own.users:
                del self._clients[client]
