"""Routes for the events after a position: as a list, and as server-sent events."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.events import stream
from duebook_api.events.stream import EventStream
from duebook_api.http import positions
from duebook_api.http.paging import NoQuery, PageQuery, query
from duebook_api.http.problems import Fault, invalid
from duebook_api.http.replies import reply
from duebook_api.schemas import answers, views
from duebook_api.state.dependencies import dependencies
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import acquire
from duebook_common.store.eventstore import tail

router = APIRouter(prefix="/api/events", tags=["events"])

After = Annotated[str, Field(max_length=100, description="A position, or `latest`; the beginning if omitted.")]


class FeedQuery(PageQuery):
    after: After | None = None


class StreamQuery(NoQuery):
    after: After | None = None


@router.get("", openapi_extra=operation(Scope.EVENTS_READ, query=FeedQuery), response_model=answers.Feed)
async def list_events(request: Request) -> Response:
    """All events after a position, oldest first, each exactly once.

    Continue `after` the `position` of the answer, as long as you like: it is the position of the last event, also if
    `next_cursor` is null because there are no further events yet. `after=latest` returns no events, only the position
    of the newest one.
    """
    q = query(request, FeedQuery)
    if q.after is not None and q.cursor is not None:
        raise invalid(Fault("/cursor", "`cursor` and `after` mean the same; send only one of them"))
    async with acquire(dependencies(request).pool) as db:
        start = await positions.resolve(db, q.after or q.cursor, "/after" if q.cursor is None else "/cursor")
        events, more = await tail(db, *start.position, q.limit)
    position = positions.text_of(events[-1]) if events else start.text
    next_cursor = position if more else None
    return reply({"items": [*map(views.event, events)], "position": position, "next_cursor": next_cursor})


@router.get(
    "/stream",
    openapi_extra=operation(Scope.EVENTS_READ, query=StreamQuery, resume=True),
    response_class=EventStream,
    status_code=200,  # else FastAPI derives the status from the response class
)
async def stream_events(request: Request) -> Response:
    """All events after a position as server-sent events: `id` is the position, `event` the type, `data` the event.

    `Last-Event-ID`, which clients of server-sent events send when they reconnect, resumes a stream and takes precedence
    over `after`. A stream ends after 15 minutes, when its server stops, or seconds after its key was revoked: then
    reconnect.
    """
    q, deps = query(request, StreamQuery), dependencies(request)
    after = request.headers.get("last-event-id") or q.after
    async with acquire(deps.pool) as db:
        start = await positions.resolve(db, after)
    if request.scope.get("head"):
        return Response(headers=stream.HEADERS, media_type=EventStream.media_type)
    return EventStream(deps.feed, deps.feed.stream(start.position, request.state.permitted), request.state.client)
