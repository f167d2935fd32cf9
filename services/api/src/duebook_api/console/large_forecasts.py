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

    def __init__(self, age: float = _AGE) -> None:
        self._age = age
        self._forecasts: dict[str, _Forecast] = {}

    def read(self, key: str, client: str, compute: Callable[[], Awaitable[Result]]) -> Result | None:
        """The forecast with this key; None while it is being computed. Raises Problem 429 if too many are."""
        forecast = self._forecasts.get(key)
        if forecast is None or _has_failed(forecast.task):
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
        if _has_failed(task):
            log.warning("a forecast failed", error=None if task.cancelled() else repr(task.exception()))
        age = 0.0 if _has_failed(task) else self._age
        asyncio.get_running_loop().call_later(age, self._forget, key, forecast)

    def _forget(self, key: str, forecast: _Forecast) -> None:
        if self._forecasts.get(key) is forecast:
            del self._forecasts[key]


def _has_failed(task: "asyncio.Task[Result]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


async def _computed(compute: Callable[[], Awaitable[Result]]) -> Result:
    return await compute()
