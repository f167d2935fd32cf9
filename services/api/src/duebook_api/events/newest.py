"""The end of the log, newest first, as people read it."""

from typing import Any

from duebook_api.events.filters import EventQuery
from duebook_api.http import positions
from duebook_api.state.dependencies import Dependencies
from duebook_common.store.codec import complete_light
from duebook_common.store.database import snapshot
from duebook_common.store.event_scan import EventFilter
from duebook_common.store.newest_events import END, newest_events


async def find_newest(deps: Dependencies, q: EventQuery, before: str | None, limit: int) -> dict[str, Any]:
    """The newest events that match, newest first, without payloads, and the position before which there are more.

    Raises Problem 422 for a text that is no position, and 410 for one that the log does not have.
    """
    async with snapshot(deps.pool) as db:
        end = END if before is None else (await positions.resolve(db, before, "/before")).position
        found = await newest_events(db, end, q.wanted() or EventFilter(), limit)
    return {"items": [_view(row) for row in found.rows], "older": None if found.older is None else _text(found.older)}


def _text(row: Any) -> str:
    return positions.text_at(row["xid"], row["position"], row["id"])


def _view(row: Any) -> dict[str, Any]:
    names = ("stream", "version", "type", "job_id", "meta", "recorded_at")
    view = {"position": _text(row), **{name: row[name] for name in names}}
    return view | {"data": complete_light(row["type"], row["data"], row["job_id"])}
