"""An attempt whose start is recorded ahead begins at its instant, whatever the clock does meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta

from duebook_common.store.database import Clock
from duebook_executor.instant import Instants, seconds_until, wait_for_instant
from support.samples import HOUR, NOW, SECOND


class SteppedClock(Clock):
    """The wall clock, and a step of it."""

    def __init__(self) -> None:
        super().__init__()
        self.step = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.step


async def test_the_wait_ends_at_the_instant_and_not_before() -> None:
    clock = SteppedClock()
    for milliseconds in (0, 1, 30, 150):
        instant = clock.now() + timedelta(milliseconds=milliseconds)
        await wait_for_instant(instant, clock)
        assert clock.now() >= instant


async def test_a_clock_that_is_set_ahead_ends_the_wait() -> None:
    clock = SteppedClock()
    waiting = asyncio.create_task(wait_for_instant(clock.now() + 7 * SECOND, clock))
    await asyncio.sleep(0)
    clock.step = HOUR
    async with asyncio.timeout(6):
        await waiting


async def test_a_clock_that_is_set_back_does_not_prolong_the_wait() -> None:
    clock = SteppedClock()
    instant = clock.now() + timedelta(milliseconds=50)
    waiting = asyncio.create_task(wait_for_instant(instant, clock))
    await asyncio.sleep(0)
    clock.step = -7 * SECOND
    async with asyncio.timeout(6):
        await waiting


def test_nothing_is_waited_for_that_has_come_or_lies_too_far_ahead() -> None:
    assert seconds_until(None, NOW) == 0
    assert seconds_until(NOW - SECOND, NOW) == 0
    assert seconds_until(NOW + HOUR, NOW) == 0, "the clock was set back"
    assert seconds_until(NOW + SECOND, NOW) == 1


async def test_waits_for_the_same_instant_end_together_and_one_can_be_given_up() -> None:
    clock = SteppedClock()
    instants, instant = Instants(clock), clock.now() + timedelta(milliseconds=200)
    waits = [asyncio.create_task(instants.wait(instant)) for _ in range(3)]
    await asyncio.sleep(0)
    waits[0].cancel()
    async with asyncio.timeout(60):
        await asyncio.wait(waits)
    assert waits[0].cancelled()
    assert clock.now() >= instant
    await instants.wait(instant)
    await instants.wait(None)
