"""Preview and forecast over HTTP."""

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_json, validated
from duebook_api.schedules.forecast import queries
from duebook_api.schedules.forecast.bodies import ForecastBody
from duebook_api.schedules.preview import preview
from duebook_api.schemas import forecasts
from duebook_api.schemas.first_times import must_name_a_time
from duebook_api.schemas.schedules import PreviewBody
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.domain.definition import Definition
from duebook_common.domain.schedule.nominal import next_after
from duebook_common.runtime.scopes import Scope

_INSTANT = timedelta(microseconds=1)

router = APIRouter(prefix="/api/schedule", tags=["schedules"])


@router.post("/preview", openapi_extra=operation(Scope.JOBS_READ, PreviewBody), response_model=forecasts.Preview)
async def preview_schedule(request: Request) -> Response:
    """The next nominal times of a schedule, its description in English, and notes, among others on DST."""
    value, _ = await read_json(request)
    return reply(await find_preview(dependencies(request), validated(PreviewBody, value)))


async def find_preview(deps: Dependencies, body: PreviewBody) -> dict[str, Any]:
    """The preview; raises Problem 422 if the schedule names no time at all."""
    return await deps.preview_search.run(True, _preview, body, deps.clock.now())


def _preview(body: PreviewBody, now: datetime) -> dict[str, Any]:
    """Raises Problem 422 if the schedule names no time at all."""
    definition = body.definition(now)
    must_name_a_time(definition)
    return preview(definition, body.after or _begin(body, definition, now), body.count)


def _begin(body: PreviewBody, definition: Definition, now: datetime) -> datetime:
    """Now, or just before it if the schedule begins now with a time of its own, which is the first one then."""
    begins_now = body.scheduled_at is None and next_after(definition, None) == now
    return now - _INSTANT if begins_now else now


@router.post("/forecast", openapi_extra=operation(Scope.JOBS_READ, ForecastBody), response_model=forecasts.Forecast)
async def forecast_schedules(request: Request) -> Response:
    """The runs in a window, with the jobs as they are or with `changes` applied.

    Every nominal time counts as one run. The forecast does not foresee runs that overlap policies, concurrency keys,
    pauses or downtime will skip or delay.

    * `hours`: the hours that have runs.
    * `queues`: for each queue the most runs at once, if attempts take the mean or the 95th percentile of the durations
      measured for the job, or else for its task. A job without either counts one second (`unmeasured_jobs`).
    * `clock_changes`: the DST transitions, and the jobs with times in their gap or fold.
    * `added` and `removed`, with `changes` only: the number of nominal times, and the first hundred of them.

    The jobs in `changes` are included whether or not the filter matches them, paused ones as if they were resumed.
    """
    value, _ = await read_json(request)
    body, client = validated(ForecastBody, value), request.state.client
    return reply(await queries.forecast(dependencies(request), body, client))
