"""Forecasts of many jobs, which take seconds: computed aside, one after the other, and kept for some seconds.

A page never waits for one. It says that the forecast is being computed, and loads itself again until it is there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import structlog

from duebook_api.http.problems import Problem

log = structlog.stdlib.get_logger("console")

_AGE = 15.0  # seconds for which a forecast serves everyone
_AGE_OF_FAILURE = 5.0  # seconds before one that failed is computed again: a page that waits asks each second
_MOST, _MOST_OF_ONE = 8, 2  # under way or kept: so one client does not take all
_JOB_HOURS, _FEW_JOBS = 12_000, 5

Result = Any


def few_jobs(days: int) -> int:
    """So many jobs, over so many days, have a forecast that takes a tenth of a second at most."""
    return max(_FEW_JOBS, _JOB_HOURS // (days * 24))


class _Forecast(NamedTuple):
    task: "asyncio.Task[Result]"
    client: str


class LargeForecasts:
    """The forecasts under way, and the last ones."""

    def __init__(self, age: float = _AGE, age_of_failure: float = _AGE_OF_FAILURE) -> None:
        self._age, self._age_of_failure = age, age_of_failure
        self._forecasts: dict[str, _Forecast] = {}

    def read(self, key: str, client: str, compute: Callable[[], Awaitable[Result]]) -> Result | None:
        """The forecast with this key; None while it is being computed.

        Raises Problem 429 if too many are, and the error of one that failed a moment ago.
        """
        forecast = self._forecasts.get(key)
        if forecast is None or forecast.task.cancelled():
            self._must_be_below_limits(client)
            forecast = self._forecasts[key] = _Forecast(asyncio.ensure_future(_computed(compute)), client)
            forecast.task.add_done_callback(partial(self._end, key, forecast))
        return forecast.task.result() if forecast.task.done() else None

    def _must_be_below_limits(self, client: str) -> None:
        own = sum(each.client == client for each in self._forecasts.values())
        if own >= _MOST_OF_ONE or len(self._forecasts) >= _MOST:
            detail = "other forecasts of many jobs are being computed; try again in some seconds"
            raise Problem(429, "too_many_forecasts", detail, headers={"Retry-After": "5"})

    def _end(self, key: str, forecast: _Forecast, task: "asyncio.Task[Result]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.warning("a forecast failed", error=repr(error))
        age = self._age if error is None else self._age_of_failure
        asyncio.get_running_loop().call_later(age, self._forget, key, forecast)

    def _forget(self, key: str, forecast: _Forecast) -> None:
        if self._forecasts.get(key) is forecast:
            del self._forecasts[key]


async def _computed(compute: Callable[[], Awaitable[Result]]) -> Result:
    return await compute()
