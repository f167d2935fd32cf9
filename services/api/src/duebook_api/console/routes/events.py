"""The log of events: its newest ones, those after a position, and a download."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from duebook_api.console.pages import events as page
from duebook_api.console.pages.copies import copies, curl, options
from duebook_api.console.pages.json_text import plain
from duebook_api.console.reader import Reader, reader_of
from duebook_api.console.rendering import render
from duebook_api.console.requests import filters, needs
from duebook_api.events.filters import EventQuery
from duebook_api.events.newest import find_newest
from duebook_api.events.routes import FeedQuery, StreamQuery, find_events
from duebook_api.http.paging import Text
from duebook_api.http.problems import Fault, invalid
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.runtime.scopes import Scope

_MOST_LOOKS = 1_000  # of at most 200 events that match, among 20,000
router = APIRouter()
_LIMIT, _MOST_OF_DOWNLOAD = 50, 100_000
PositionText = Annotated[Text, Field(min_length=1)]


class EventsPageQuery(EventQuery):
    before: PositionText | None = None
    after: PositionText | None = None


@router.get("/events", **needs(Scope.EVENTS_READ))
async def list_events(request: Request) -> Response:
    """The newest events, newest first; or with `after` those that follow a position, oldest first."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, EventsPageQuery, "/api/events")
    if q.after is not None and q.before is not None:
        raise invalid(Fault("/after", "`after` and `before` exclude each other"))
    found, link = await _page(deps, q, reader)
    return await render(
        request,
        "events.html",
        q=q,
        rows=page.event_rows(found),
        link=link,
        types=page.type_options(",".join(q.type)),
        follows=request.query_params.get("view") == "follow",
        most=_MOST_OF_DOWNLOAD,
        download=reader.url("/console/events.ndjson", **_wanted(q)),
        copies=copies(
            curl(reader.api("/api/events/stream", StreamQuery(**_wanted(q))), needs_key=reader.needs_key),
            ["events", "tail", *options(_wanted(q))],
        ),
    )


async def _page(deps: Dependencies, q: EventsPageQuery, reader: Reader) -> tuple[list[Any], dict[str, str] | None]:
    """The events, and the link to the next ones."""
    if q.after is None:
        found = await find_newest(deps, q, q.before, _LIMIT)
        older = found["older"]
        return found["items"], older and {"title": "Older events", "path": reader.here(before=older, view=None)}
    feed = await find_events(deps, FeedQuery(**_wanted(q), after=q.after, limit=_LIMIT))
    more = {"title": "Next events", "path": reader.here(after=feed["position"])}
    return feed["items"], more if feed["next_cursor"] else None


def _wanted(q: EventsPageQuery) -> dict[str, Any]:
    """The filter without the position."""
    given = {"type": list(q.type) or None, "job_id": q.job_id, "run_id": q.run_id, "actor": q.actor}
    return {name: value for name, value in given.items() if value is not None}


@router.get("/events.ndjson", **needs(Scope.EVENTS_READ))
async def download_events(request: Request) -> Response:
    """The events that match, oldest first, one JSON text a line; `after` goes on after an earlier download."""
    deps, reader = dependencies(request), reader_of(request)
    q = filters(request, EventsPageQuery, "/api/events")
    first = FeedQuery(**_wanted(q), after=q.after, limit=200)
    await find_events(deps, first.model_copy(update={"limit": 1}))  # a wrong position is refused before the first byte
    lines = _lines(request, first, with_payloads=reader.may(Scope.PAYLOADS_READ))
    headers = {"Content-Disposition": 'attachment; filename="events.ndjson"', "Cache-Control": "no-store"}
    headers["X-Content-Type-Options"] = "nosniff"
    return StreamingResponse(lines, headers=headers, media_type="application/x-ndjson")


async def _lines(request: Request, q: FeedQuery, *, with_payloads: bool) -> AsyncIterator[bytes]:
    """Each look counts as a request of the key, and a key that is revoked reads no further."""
    deps, count, looks, goes_on = dependencies(request), 0, 0, True
    while goes_on and count < _MOST_OF_DOWNLOAD and looks < _MOST_LOOKS and await request.state.permitted():
        looks += 1
        request.state.charge(1)
        found = await find_events(deps, q)
        for event in found["items"]:
            yield _line(event, with_payloads=with_payloads)
        count, goes_on = count + len(found["items"]), found["next_cursor"] is not None
        q = q.model_copy(update={"after": found["position"]})


def _line(event: Any, *, with_payloads: bool) -> bytes:
    shown = plain(event)
    if not with_payloads:
        shown["data"] = page.without_payloads(shown["data"])
    return orjson.dumps(shown) + b"\n"
