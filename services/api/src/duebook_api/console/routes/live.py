"""The stream that says what has changed, so that open pages refresh what they show of it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.requests import needs
from duebook_api.events.stream import HEADERS, EventStream
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope

router = APIRouter()


@router.get("/live", response_class=EventStream, **needs(Scope.RUNS_READ))
async def live(request: Request) -> Response:
    """Like `data: {"run": 12, "job": 1}`, at most once a second: how many events of which resource have come.

    The first frame, `data: {}`, says that the stream follows the log from now on.
    """
    deps = dependencies(request)
    if request.scope.get("head"):
        return Response(headers=HEADERS, media_type=EventStream.media_type)
    frames = deps.changes.stream(request.state.permitted)
    return EventStream(deps.feed, frames, request.state.client, reads_events=False)
