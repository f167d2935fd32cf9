"""The log, from a position on: as a list, and as server-sent events."""

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

After = Annotated[str, Field(max_length=100, description="A position, or `latest`; without it, the beginning.")]


class FeedQuery(PageQuery):
    after: After | None = None


class StreamQuery(NoQuery):
    after: After | None = None


@router.get("", openapi_extra=operation(Scope.EVENTS_READ, query=FeedQuery), response_model=answers.Feed)
async def list_events(request: Request) -> Response:
    """All events after a position, oldest first: none is left out, and none comes twice.

    Go on `after` the `position` of the answer, for ever: it is the last event's, also where `next_cursor` is null
    because there is nothing further yet. `after=latest` answers no event, but the position of the newest.
    """
    q = query(request, FeedQuery)
    if q.after is not None and q.cursor is not None:
        raise invalid(Fault("/cursor", "this and `after` mean the same; send one of them"))
    async with acquire(dependencies(request).pool) as db:
        start = await positions.start(db, q.after or q.cursor, "/after" if q.cursor is None else "/cursor")
        events = await tail(db, start.xid, start.position, q.limit + 1)
    shown = events[: q.limit]
    position = positions.name(shown[-1]) if shown else start.name
    following = position if len(events) > q.limit else None
    return reply({"items": [*map(views.event, shown)], "position": position, "next_cursor": following})


@router.get(
    "/stream",
    openapi_extra=operation(Scope.EVENTS_READ, query=StreamQuery, resume=True),
    response_class=EventStream,
    status_code=200,  # which the page of the API would read off the class otherwise
)
async def stream_events(request: Request) -> Response:
    """The same as server-sent events: `id` is the position, `event` the type, `data` the event.

    `Last-Event-ID`, which clients of such streams send by themselves, resumes a stream, and goes before `after`. A
    stream ends when its server stops, and after a quarter of an hour: then come again.
    """
    q, deps = query(request, StreamQuery), dependencies(request)
    after = request.headers.get("last-event-id") or q.after
    async with acquire(deps.pool) as db:
        start = await positions.start(db, after)
    if request.scope.get("head"):
        return Response(headers=stream.HEADERS, media_type=EventStream.media_type)
    return EventStream(deps.feed, (start.xid, start.position))
