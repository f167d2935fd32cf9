"""The installation as a whole."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.pages.copies import copies, curl
from duebook_api.console.pages.system import system_page
from duebook_api.console.reader import reader_of
from duebook_api.console.rendering import render
from duebook_api.console.requests import needs
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter()


@router.get("/system", **needs(Scope.SYSTEM_READ))
async def show_system(request: Request) -> Response:
    """The services with their versions and heartbeats, the log, the sizes of tables, and the limits."""
    deps, reader = dependencies(request), reader_of(request)
    system = await deps.system.read(deps.pool)
    request_copy = curl(reader.api("/api/system"), needs_key=reader.needs_key)
    view = system_page(system)
    return await render(request, "system.html", view=view, at=system["at"], copies=copies(request_copy, ["system"]))
