"""Forecasts of many jobs, which take seconds: computed aside, and kept for some seconds.

A page never waits for one. It says that the forecast is being computed, and loads itself again until it is there.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog

from duebook_api.http.problems import Problem
from duebook_api.state.shared_answers import SharedAnswers

log = structlog.stdlib.get_logger("console")

_AGE = 15.0  # seconds for which a forecast serves everyone
_AGE_OF_FAILURE = 5.0  # seconds before one that failed is computed again: a page that waits asks each second
_MOST, _MOST_OF_ONE = 8, 2  # under way or kept: so one client does not take all

Result = Any


class LargeForecasts:
    """The forecasts under way and the last ones, and the clients that asked for them first."""

    def __init__(self, age: float = _AGE, age_of_failure: float = _AGE_OF_FAILURE) -> None:
        self._forecasts = SharedAnswers(age, _MOST, age_of_failure)
        self._clients: dict[str, str] = {}

    def read(self, key: str, client: str, compute: Callable[[], Awaitable[Result]]) -> Result | None:
        """The forecast with this key; None while it is being computed.

        Raises Problem 429 if too many are, and the error of one that failed a moment ago.
        """
        forecast = self._forecasts.get(key)
        if forecast is None:
            self._must_be_below_limits(client)
            forecast = self._forecasts.begin(key, partial(_computed, compute))
            self._clients[key] = client
        return forecast.result() if forecast.done() else None

    def _must_be_below_limits(self, client: str) -> None:
        self._clients = {key: owner for key, owner in self._clients.items() if self._forecasts.get(key) is not None}
        if list(self._clients.values()).count(client) >= _MOST_OF_ONE or len(self._clients) >= _MOST:
            detail = "other forecasts of many jobs are being computed; try again in some seconds"
            raise Problem(429, "too_many_forecasts", detail, headers={"Retry-After": "5"})


async def _computed(compute: Callable[[], Awaitable[Result]]) -> Result:
    try:
        return await compute()
    except Exception as error:
        log.warning("a forecast failed", error=error)
        raise
