"""Rests between the steps of work that has time, so that what runs beside it is hardly later."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to rest after a step, as a multiple of the time that the step took: `while_late` where `is_late()`."""

    rest: float = 0.0
    while_late: float = 0.0
    is_late: Callable[[], bool] = lambda: False

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """One step. A machine that is full makes it longer, and so the rest. One that fails is followed by none."""
        began = time.monotonic()
        yield
        await self.rest_after(time.monotonic() - began)

    async def rest_after(self, took: float, least: float = 0.0) -> None:
        """Rest after a step of so many seconds, at least for `least` times as long."""
        await asyncio.sleep(took * max(self.while_late if self.is_late() else self.rest, least))


NO_REST = Pace()
