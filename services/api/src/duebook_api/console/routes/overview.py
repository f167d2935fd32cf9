"""The overview."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages import overview as page
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import render
from duebook_api.console.requests import needs
from duebook_api.runs.dead_letters import DeadLetterQuery, find_groups
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter()
_GROUPS = 5


@router.get("", **needs(Scope.RUNS_READ))
async def show_overview(request: Request) -> Response:
    """What is going on now."""
    deps, reader = dependencies(request), reader_of(request)
    numbers = await deps.overview.read(deps.pool, deps.clock, deps.misfire)
    groups = []
    if reader.may(Scope.DEAD_LETTERS_READ) and numbers["dead_lettered"]:
        groups = (await find_groups(deps, DeadLetterQuery(limit=_GROUPS)))["items"]
    view = page.overview(numbers, groups, reader.times)
    return await render(request, "overview.html", view=view, title="Overview")
