"""The forecast of the overview: computed aside, because it takes seconds for many jobs, and kept for some minutes.

A page never waits for it long: what is not there yet appears with the next refresh.
"""

import asyncio
import time
from datetime import timedelta
from typing import Any

import structlog

from duebook_api.http.problems import Problem
from duebook_api.schedules.forecast.bodies import ForecastBody
from duebook_api.schedules.forecast.queries import forecast
from duebook_api.state.dependencies import Dependencies
from duebook_common.store.database import UNAVAILABLE

log = structlog.stdlib.get_logger("console")

_AGE, _WAIT = 120.0, 0.05  # seconds
_CLIENT = "overview"  # it is no client's own
AHEAD = timedelta(hours=3)


class ForecastCache:
    """The hours of the last forecast, each with its runs."""

    def __init__(self) -> None:
        self._hours: list[dict[str, Any]] = []
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def hours(self, deps: Dependencies) -> list[dict[str, Any]]:
        """Like `[{"at": …, "runs": 41}]`, from now on; empty before the first forecast is ready."""
        if time.monotonic() >= self._until and self._task is None:
            self._task = asyncio.create_task(self._refresh(deps))
            await asyncio.wait([self._task], timeout=_WAIT)
        return self._hours

    async def _refresh(self, deps: Dependencies) -> None:
        now = deps.clock.now()
        end = (now + AHEAD).replace(minute=0, second=0, microsecond=0)  # whole hours, but for the present one
        body = ForecastBody.model_validate({"from": now.isoformat(), "to": end.isoformat()})
        try:
            self._hours = (await forecast(deps, body, _CLIENT))["hours"]
        except (Problem, *UNAVAILABLE) as error:
            log.warning("the forecast of the overview failed", error=repr(error))
        finally:
            self._until, self._task = time.monotonic() + _AGE, None
