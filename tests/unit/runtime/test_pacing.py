"""Rests between steps."""

import asyncio
import time

import pytest

from duebook_common.runtime.pacing import NO_REST, Pace


async def seconds_of(pace: Pace, work: float) -> float:
    began = time.monotonic()
    async with pace.step():
        await asyncio.sleep(work)
    return time.monotonic() - began


async def test_a_rest_is_a_multiple_of_what_the_step_took() -> None:
    assert await seconds_of(Pace(4), 0.02) >= 0.1


async def test_a_rest_is_longer_while_others_are_late() -> None:
    assert await seconds_of(Pace(rest=0, while_late=4, is_late=lambda: True), 0.02) >= 0.1
    async with asyncio.timeout(50):
        await seconds_of(Pace(rest=0, while_late=10_000, is_late=lambda: False), 0.02)


async def test_a_rest_is_at_least_what_others_need() -> None:
    began = time.monotonic()
    await NO_REST.rest_after(0.02, least=1)
    await Pace(1).rest_after(0.02)
    assert time.monotonic() - began >= 0.04


async def fail(pace: Pace) -> None:
    async with pace.step():
        await asyncio.sleep(0.01)
        raise ValueError("broken")


async def test_a_step_that_fails_is_followed_by_no_rest() -> None:
    async with asyncio.timeout(50):
        with pytest.raises(ValueError, match="broken"):
            await fail(Pace(10_000))
