"""What is going on now, in one call."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.paging import NoQuery, query
from duebook_api.http.replies import reply
from duebook_api.schemas import overviews
from duebook_api.state.dependencies import dependencies
from duebook_api.state.last_hour import last_hour
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/api/overview", tags=["runs"])


@router.get("", openapi_extra=operation(Scope.RUNS_READ), response_model=overviews.Overview)
async def show_overview(request: Request) -> Response:
    """How many runs are in which state, in all and by queue; how many jobs are overdue; what came of the last hours.

    The numbers are up to a second old, those of the last hours and of the ledger some seconds, and up to a minute
    where it takes long to count. The ledger counts the nominal times of the last hour, of the newest recurring jobs:
    20 at most, which have 5,000 times together.
    """
    query(request, NoQuery)
    deps = dependencies(request)
    numbers = await deps.overview.read(deps.pool, deps.clock, deps.misfire)
    ledger = await deps.last_hour.read(lambda: last_hour(deps.pool, deps.clock.now()))
    return reply(numbers | {"ledger": ledger})
