"""Routes for the events after a position: as a list, and as server-sent events."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.events import stream
from duebook_api.events.filters import EventQuery
from duebook_api.events.stream import EventStream
from duebook_api.http import positions
from duebook_api.http.paging import PageQuery, query
from duebook_api.http.problems import Fault, invalid
from duebook_api.http.replies import reply
from duebook_api.schemas import answers, views
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import acquire, snapshot
from duebook_common.store.event_scan import scan
from duebook_common.store.eventstore import tail

router = APIRouter(prefix="/api/events", tags=["events"])

After = Annotated[
    str, Field(max_length=100, description="A position, or `latest`; without it all that is not archived.")
]


class FeedQuery(PageQuery, EventQuery):
    after: After | None = None


class StreamQuery(EventQuery):
    after: After | None = None


@router.get("", openapi_extra=operation(Scope.EVENTS_READ, query=FeedQuery), response_model=answers.Feed)
async def list_events(request: Request) -> Response:
    """All events after a position, oldest first, each exactly once.

    Continue `after` the `position` of the answer, as long as you like: it is the position of the last event, also if
    `next_cursor` is null because there are no further events yet. `after=latest` returns no events, only the position
    of the newest one.

    Filters are applied by the server: `type` (several), `job_id` (with its runs), `run_id` (with its mails), `actor`.
    One request looks at 20,000 events; `position` is then that of the last one that it looked at, and a page may have
    fewer items than its limit, or none, while its `next_cursor` goes on.
    """
    q = query(request, FeedQuery)
    if q.after is not None and q.cursor is not None:
        raise invalid(Fault("/cursor", "`cursor` and `after` mean the same; send only one of them"))
    return reply(await find_events(dependencies(request), q))


async def find_events(deps: Dependencies, q: FeedQuery) -> views.View:
    """One page of the log; raises Problem 410 for a position that it does not have."""
    async with snapshot(deps.pool) as db:
        start = await positions.resolve(db, q.after or q.cursor, "/after" if q.cursor is None else "/cursor")
        wanted = q.wanted()
        if wanted is None:
            events, more = await tail(db, *start.position, q.limit)
            position = positions.text_of(events[-1]) if events else start.text
        else:
            events, more, end = await scan(db, start.position, wanted, q.limit)
            position = start.text if end is None else positions.text_at(*end)
    next_cursor = position if more else None
    return {"items": [*map(views.event, events)], "position": position, "next_cursor": next_cursor}


@router.get(
    "/stream",
    openapi_extra=operation(Scope.EVENTS_READ, query=StreamQuery, resume=True),
    response_class=EventStream,
    status_code=200,  # else FastAPI derives the status from the response class
)
async def stream_events(request: Request) -> Response:
    """All events after a position as server-sent events: `id` is the position, `event` the type, `data` the event.

    `Last-Event-ID`, which clients of server-sent events send when they reconnect, resumes a stream and takes precedence
    over `after`. Filters are those of the list: what does not match is left out, and a message with an `id` alone says
    now and then how far the stream has got. A stream ends after 15 minutes, when its server stops, or seconds after its
    key was revoked: then reconnect.
    """
    q, deps = query(request, StreamQuery), dependencies(request)
    last = request.headers.get("last-event-id")
    async with acquire(deps.pool) as db:
        start = await positions.resolve(db, last or q.after, "/Last-Event-ID" if last else "/after")
    if request.scope.get("head"):
        return Response(headers=stream.HEADERS, media_type=EventStream.media_type)
    frames = deps.feed.stream(start.position, request.state.permitted, q.wanted())
    return EventStream(deps.feed, frames, request.state.client)
