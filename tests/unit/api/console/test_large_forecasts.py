"""Forecasts that take long: none waits for them, they are computed once, and no client takes all."""

import asyncio

import pytest

from duebook_api.console.large_forecasts import LargeForecasts
from duebook_api.http.problems import Problem


class Forecast:
    """Counts how often it is computed, and is ready when it may be."""

    def __init__(self) -> None:
        self.count, self.may_end = 0, asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        await self.may_end.wait()
        return self.count


async def ready(forecasts: LargeForecasts, forecast: Forecast) -> int:
    async with asyncio.timeout(10):
        while (found := forecasts.read("a", "me", forecast)) is None:
            await asyncio.sleep(0)
    return int(found)


async def test_a_page_does_not_wait_and_many_pages_share_a_forecast() -> None:
    forecasts, forecast = LargeForecasts(), Forecast()
    assert [forecasts.read("a", client, forecast) for client in ("me", "you", "me", "me")] == [None] * 4
    forecast.may_end.set()
    assert [await ready(forecasts, forecast) for _ in range(2)] == [1, 1]


async def test_a_client_does_not_take_all() -> None:
    forecasts, forecast = LargeForecasts(), Forecast()
    assert [forecasts.read(key, "me", forecast) for key in "ab"] == [None, None]
    with pytest.raises(Problem, match="other forecasts"):
        forecasts.read("c", "me", forecast)
    assert forecasts.read("a", "me", forecast) is None
    assert [forecasts.read(f"{n}", f"{n}", forecast) for n in range(6)] == [None] * 6
    with pytest.raises(Problem, match="other forecasts"):
        forecasts.read("d", "you", forecast)


async def broken() -> int:
    raise OSError("broken")


async def test_a_failure_is_shown_and_not_repeated_by_each_page() -> None:
    forecasts, forecast = LargeForecasts(), Forecast()
    assert forecasts.read("a", "me", broken) is None
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(OSError, match="broken"):
            forecasts.read("a", "me", forecast)
    assert forecast.count == 0


async def test_a_forecast_that_failed_or_is_old_is_computed_again() -> None:
    forecasts, forecast = LargeForecasts(age=0, age_of_failure=0), Forecast()
    assert forecasts.read("a", "me", broken) is None
    await asyncio.sleep(0.1)
    forecast.may_end.set()
    async with asyncio.timeout(10):
        while await ready(forecasts, forecast) < 2:
            await asyncio.sleep(0)
