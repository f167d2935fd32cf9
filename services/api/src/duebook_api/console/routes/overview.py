"""The overview: what is going on now, what was, and what is to come."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.forecast_cache import ForecastCache
from duebook_api.console.pages import overview as page
from duebook_api.console.pages.copies import copies, curl
from duebook_api.console.pages.queues import rate
from duebook_api.console.reader import Reader, reader_of
from duebook_api.console.rendering import render
from duebook_api.console.requests import needs
from duebook_api.http.paging import PageQuery
from duebook_api.installation.executors import ExecutorQuery, find_executors
from duebook_api.queues.queue_list import find_queues
from duebook_api.runs.dead_letters import DeadLetterQuery, find_groups
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_api.state.last_hour import last_hour
from duebook_api.stats.query import StatsQuery
from duebook_api.stats.routes import find_statistics
from duebook_common.runtime.scopes import Scope

router = APIRouter()
_GROUPS, _QUEUES = 5, 12


@router.get("", **needs(Scope.RUNS_READ))
async def show_overview(request: Request) -> Response:
    """Each part is shown to a key that may read it."""
    deps, reader = dependencies(request), reader_of(request)
    numbers = await deps.overview.read(deps.pool, deps.clock, deps.misfire)
    ledger = await deps.last_hour.read(lambda: last_hour(deps.pool, deps.clock.now()))
    parts = await _statistics(deps, reader, page.PAST)
    upcoming = await _forecast(request, deps, reader)
    return await render(
        request,
        "overview.html",
        sentence=page.sentence(numbers, ledger),
        figures=page.figures(numbers, reader.times, await _slots(deps, reader)),
        paused=numbers["paused"],
        picture=page.picture(parts, upcoming, reader.times) if parts or upcoming.items else None,
        is_by_hour=upcoming.step > page.STEP,
        punctuality=page.punctuality(parts, reader.times),
        throughput=rate(round(numbers["throughput"] * page.STEP.total_seconds()), page.STEP),
        causes=await _causes(deps, reader, numbers),
        dead_letters=numbers["dead_lettered"],
        queues=await _queues(deps, reader),
        services=page.services((await deps.system.read(deps.pool))["services"]) if _may_see_system(reader) else None,
        copies=copies(curl(reader.api("/api/overview"), needs_key=reader.needs_key), ["status"]),
    )


def _may_see_system(reader: Reader) -> bool:
    return reader.may(Scope.SYSTEM_READ)


async def _statistics(deps: Dependencies, reader: Reader, past: timedelta, **more: Any) -> list[Mapping[str, Any]]:
    if not _may_see_system(reader):
        return []
    q = StatsQuery.model_validate({"from": (reader.times.now - past).isoformat(), "step": "PT5M", **more})
    items: list[Mapping[str, Any]] = (await find_statistics(deps, q))["items"]
    return items


async def _forecast(request: Request, deps: Dependencies, reader: Reader) -> page.Upcoming:
    cache: ForecastCache = request.app.state.forecast
    return await cache.read(deps) if reader.may(Scope.JOBS_READ) else page.Upcoming(page.STEP, ())


async def _slots(deps: Dependencies, reader: Reader) -> int | None:
    """The slots of all executors that are alive."""
    if not _may_see_system(reader):
        return None
    found = (await find_executors(deps, ExecutorQuery(state="alive", limit=200)))["items"]
    return sum(int(each["slots"]) for each in found)


async def _causes(deps: Dependencies, reader: Reader, numbers: Mapping[str, Any]) -> list[page.Cause] | None:
    if not reader.may(Scope.DEAD_LETTERS_READ):
        return None
    return (
        page.causes((await find_groups(deps, DeadLetterQuery(limit=_GROUPS)))["items"])
        if numbers["dead_lettered"]
        else []
    )


async def _queues(deps: Dependencies, reader: Reader) -> list[page.QueueRow] | None:
    if not reader.may(Scope.QUEUES_READ):
        return None
    queues = (await find_queues(deps, PageQuery(limit=_QUEUES)))["items"]
    items = await _statistics(deps, reader, page.LAST_HOUR, by="queue", keys=_QUEUES)
    return page.queue_rows(queues, items, reader.times)
