"""Who asks."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.api_keys import NO_KEYS, Principal
from duebook_api.access.operation import operation
from duebook_api.access.permits import ANY_KEY
from duebook_api.http.paging import NoQuery, query
from duebook_api.http.replies import reply
from duebook_api.schemas import installation

router = APIRouter(prefix="/api/whoami", tags=["keys"])


@router.get("", openapi_extra=operation(ANY_KEY), response_model=installation.Whoami)
async def show_whoami(request: Request) -> Response:
    """The key that was sent: its name, its scopes and when it expires. Any valid key may ask.

    With `DUEBOOK_AUTH=off` there are no keys: every caller is `anonymous` and may do everything.
    """
    query(request, NoQuery)
    return reply(whoami(request.state.principal))


def whoami(principal: Principal) -> dict[str, Any]:
    """What an answer says of the sender of a request."""
    return {
        "actor": principal.name,
        "key_id": principal.key_id,
        "name": principal.title,
        "scopes": sorted(principal.scopes),
        "expires_at": principal.expires_at,
        "auth": "off" if principal is NO_KEYS else "required",
    }
