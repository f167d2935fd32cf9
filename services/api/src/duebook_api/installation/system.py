"""The installation as a whole."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.paging import NoQuery, query
from duebook_api.http.replies import reply
from duebook_api.schemas import installation
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/api/system", tags=["installation"])


@router.get("", openapi_extra=operation(Scope.SYSTEM_READ), response_model=installation.System)
async def show_system(request: Request) -> Response:
    """The services that run, with their versions and settings, and the state of the database and the log.

    A service renews its entry every ten seconds, and removes it when it stops; `lost` ones were not heard of for a
    minute. The answer is up to a second old, the sizes of tables up to a minute. No setting in it is a secret.
    """
    query(request, NoQuery)
    deps = dependencies(request)
    return reply(await deps.system.read(deps.pool))
