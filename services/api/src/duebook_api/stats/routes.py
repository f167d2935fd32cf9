"""Counts of outcomes, lateness and durations over time."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.paging import query
from duebook_api.http.replies import reply
from duebook_api.schemas import overviews
from duebook_api.schemas.statistics import rollup_view
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_api.stats.query import StatsQuery
from duebook_common.domain.statistics import OTHER, Dimension, Rollup
from duebook_common.runtime.durations import iso
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import snapshot
from duebook_common.store.statistics_queries import busiest_keys, read_statistics

router = APIRouter(prefix="/api/stats", tags=["statistics"])


@router.get("", openapi_extra=operation(Scope.SYSTEM_READ, query=StatsQuery), response_model=overviews.Statistics)
async def show_statistics(request: Request) -> Response:
    """What came of runs, and how late and long they were, in steps of time.

    Steps begin at multiples of `step` since 1970, and cover the range; those without an event are left out. `by` an
    outcome counts all runs together, otherwise the busiest keys are shown and the others counted together, with the
    key null. The numbers are some seconds old.
    """
    return reply(await find_statistics(dependencies(request), query(request, StatsQuery)))


async def find_statistics(deps: Dependencies, q: StatsQuery) -> dict[str, Any]:
    """The steps of the range, and the totals of each key."""
    wanted = q.range(deps.clock.now())
    async with snapshot(deps.pool) as db:
        keys = [q.key] if q.key else []
        if not keys and wanted.dimension is not Dimension.ALL:
            keys = await busiest_keys(db, wanted, q.keys)
        steps = await read_statistics(db, wanted, keys, others=not q.key)
    totals: dict[str, Rollup] = {}
    for (_, key), rollup in steps.items():
        totals.setdefault(key, Rollup()).merge(rollup)
    order = {key: n for n, key in enumerate([*keys, OTHER])}
    return {
        "from": wanted.start,
        "to": wanted.end,
        "step": iso(q.step),
        "by": q.by,
        "totals": [_item(key, totals[key]) for key in sorted(totals, key=lambda key: order[key])],
        "items": [{"at": at, **_item(key, rollup)} for (at, key), rollup in steps.items()],
    }


def _item(key: str, rollup: Rollup) -> Mapping[str, Any]:
    return {"key": None if key == OTHER else key, **rollup_view(rollup)}
