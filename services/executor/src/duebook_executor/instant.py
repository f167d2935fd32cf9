"""Waiting for the instant of a run whose start was recorded ahead of it."""

import asyncio
from datetime import datetime

from duebook_common.domain.run.ahead import LONGEST_LOOK_AHEAD
from duebook_common.store.database import Clock

_LOOK_SECONDS = 0.1  # a clock that was set ahead ends the wait that soon
_LATEST_SECONDS = 0.25  # and one that was set back prolongs it by no more


def seconds_until(instant: datetime | None, now: datetime) -> float:
    """How long the instant lies ahead, 0 if it has come. No run is started further ahead: a clock was set back then."""
    left = 0.0 if instant is None else (instant - now).total_seconds()
    return left if 0 < left <= LONGEST_LOOK_AHEAD.total_seconds() else 0.0


async def wait_for_instant(instant: datetime | None, clock: Clock) -> None:
    """Return at the instant, by the clock, and never before it."""
    left, loop = seconds_until(instant, clock.now()), asyncio.get_running_loop()
    latest = loop.time() + left + _LATEST_SECONDS
    while left > 0:
        await asyncio.sleep(min(left, _LOOK_SECONDS))
        left = min(seconds_until(instant, clock.now()), latest - loop.time())


class Instants:
    """The instants for which attempts wait: those of one instant share a wait, however many they are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: dict[datetime, asyncio.Task[None]] = {}

    async def wait(self, instant: datetime | None) -> None:
        """Return at the instant, by the clock, and never before it."""
        if instant is None or seconds_until(instant, self._clock.now()) <= 0:
            return
        wait = self._waits.get(instant)
        if wait is None:
            wait = self._waits[instant] = asyncio.create_task(wait_for_instant(instant, self._clock))
            wait.add_done_callback(lambda _: self._waits.pop(instant, None))
        await asyncio.shield(wait)
