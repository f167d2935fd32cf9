"""The forecast of the overview: computed aside, because it takes seconds for many jobs, and kept for some minutes.

A page never waits for it long: what is not there yet appears with the next refresh.
"""

import asyncio
import time
from datetime import timedelta

import structlog

from duebook_api.console.pages.overview import STEP, Upcoming
from duebook_api.http.problems import Problem
from duebook_api.schedules.forecast.bodies import ForecastBody
from duebook_api.schedules.forecast.queries import forecast, steps
from duebook_api.state.dependencies import Dependencies
from duebook_common.store.database import UNAVAILABLE

log = structlog.stdlib.get_logger("console")

_AGE, _WAIT = 120.0, 0.05  # seconds
_CLIENT = "overview"  # it is no client's own
_MOST_CELLS = 50_000  # steps of jobs: about a tenth of a second
AHEAD, HOUR = timedelta(hours=3), timedelta(hours=1)


class ForecastCache:
    """The last forecast, from its instant on."""

    def __init__(self) -> None:
        self._last = Upcoming(STEP, ())
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def read(self, deps: Dependencies) -> Upcoming:
        """Empty before the first forecast is ready."""
        if time.monotonic() >= self._until and self._task is None:
            self._task = asyncio.create_task(self._refresh(deps))
            await asyncio.wait([self._task], timeout=_WAIT)
        return self._last

    async def _refresh(self, deps: Dependencies) -> None:
        now = deps.clock.now()
        end = (now + AHEAD).replace(minute=0, second=0, microsecond=0)  # whole hours, but for the present one
        body = ForecastBody.model_validate({"from": now.isoformat(), "to": end.isoformat()})
        try:
            self._last = await _upcoming(deps, body)
        except (Problem, *UNAVAILABLE) as error:
            log.warning("the forecast of the overview failed", error=error)
        finally:
            self._until, self._task = time.monotonic() + _AGE, None


async def _upcoming(deps: Dependencies, body: ForecastBody) -> Upcoming:
    """By the step of the past; by the hour where many jobs would make that slow."""
    try:
        return Upcoming(STEP, await steps(deps, body, _CLIENT, STEP, _MOST_CELLS))
    except Problem:
        return Upcoming(HOUR, (await forecast(deps, body, _CLIENT))["hours"])
