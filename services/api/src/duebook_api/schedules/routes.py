"""Schedules by themselves, without a job."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_json, validated
from duebook_api.schedules.forecast import queries
from duebook_api.schedules.forecast.bodies import ForecastBody
from duebook_api.schedules.preview import preview
from duebook_api.schemas import answers
from duebook_api.schemas.schedules import PreviewBody, must_name_a_time
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/api/schedule", tags=["schedules"])


@router.post("/preview", openapi_extra=operation(Scope.JOBS_READ, PreviewBody), response_model=answers.Preview)
async def preview_schedule(request: Request) -> Response:
    """The next nominal times of a schedule, what it says in words, and notes on changes of the clocks."""
    value, _ = await read_json(request)
    body, now = validated(PreviewBody, value), dependencies(request).clock.now()
    definition = body.definition(now)
    must_name_a_time(definition)
    return reply(preview(definition, body.after or now, body.count))


@router.post("/forecast", openapi_extra=operation(Scope.JOBS_READ, ForecastBody), response_model=answers.Forecast)
async def forecast_schedules(request: Request) -> Response:
    """What is to come in a window, as the jobs are or as `changes` would have them.

    Every nominal time counts as a run, at its hour: what overlaps, concurrency keys, pauses and downtime will leave out
    or put off is not foreseen. `hours` names those with runs. `queues` has for each queue the most runs at once, by
    the mean and by the 95th percentile of how long the job's, or else its task's, latest attempts took; one second
    where nothing was measured (`unmeasured_jobs`). `clock_changes` names the jobs whose times fall into a gap or a
    fold. With `changes` there are `added` and `removed`: how many nominal times, and the first hundred of them.
    Jobs that changes name take part whatever the filter says, paused ones as if they were resumed.
    """
    value, _ = await read_json(request)
    return reply(await queries.forecast(dependencies(request), validated(ForecastBody, value)))
