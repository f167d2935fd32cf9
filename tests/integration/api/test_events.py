"""The list of all events: every event exactly once, in order, after any position."""

import asyncio
from typing import Any
from uuid import UUID

from duebook_common.store.database import Pool, transaction
from duebook_common.store.eventstore import append
from support.api_app import Api
from support.event_log import append_all, pause_events, positions_in_order


async def read_all(api: Api, count: int, limit: int, after: str = "") -> list[str]:
    """At least `count` positions from the list, page by page."""
    found: list[str] = []
    async with asyncio.timeout(60):  # transactions of other tests may hold back the horizon of the shared server
        while len(found) < count:
            page = await api.json(200, "GET", f"/api/events?limit={limit}{after}")
            assert len(page["items"]) <= limit
            found += [event["position"] for event in page["items"]]
            after = "" if page["position"] is None else f"&after={page['position']}"
    return found


async def test_the_list_continues_after_its_last_position(api: Api, pool: Pool) -> None:
    empty = await api.json(200, "GET", "/api/events")
    assert empty == {"items": [], "position": None, "next_cursor": None}
    await append_all(pool, *(pause_events(f"job-{UUID(int=n)}", 3) for n in range(5)))
    assert await read_all(api, 15, 4) == await positions_in_order(pool)
    last = (await positions_in_order(pool))[-1]
    end: dict[str, Any] = {"items": [], "position": last, "next_cursor": None}
    assert await api.json(200, "GET", f"/api/events?after={last}") == end
    assert await api.json(200, "GET", "/api/events?after=latest") == end
    await append_all(pool, pause_events(f"job-{UUID(int=9)}"))
    (later,) = await read_all(api, 1, 10, f"&after={last}")
    assert later == (await positions_in_order(pool))[-1]


async def test_the_list_has_pages_like_any_other(api: Api, pool: Pool) -> None:
    await append_all(pool, *(pause_events(f"job-{UUID(int=n)}") for n in range(7)))
    await read_all(api, 7, 200)
    assert [event["position"] for event in await api.pages("/api/events", 3)] == await positions_in_order(pool)
    assert (await api.json(200, "GET", "/api/events?limit=7"))["next_cursor"] is None


async def test_no_event_is_missed_when_one_commit_overtakes_another(api: Api, pool: Pool) -> None:
    async with transaction(pool) as slow:
        await append(slow, [pause_events("slow")])
        await append_all(pool, pause_events("fast"))
        page = await api.json(200, "GET", "/api/events")
        assert (page["items"], page["position"]) == ([], None)
    assert await read_all(api, 2, 1) == await positions_in_order(pool)


async def test_a_text_that_is_no_position_is_refused(api: Api, pool: Pool) -> None:
    await append_all(pool, pause_events(f"job-{UUID(int=1)}"))
    (position,) = await read_all(api, 1, 1)
    for wrong in ("x", "1-1", "Latest", position.upper() + "0", f"{2**64}-1-00000000", "0" * 101):
        problem = await api.json(422, "GET", f"/api/events?after={wrong}")
        assert problem["errors"][0]["pointer"] == "/after", wrong
        assert (await api.json(422, "GET", f"/api/events/stream?after={wrong}"))["errors"] == problem["errors"]
    both = await api.json(422, "GET", f"/api/events?after={position}&cursor={position}")
    assert both["errors"][0]["pointer"] == "/cursor"


async def test_a_position_that_a_restored_database_lacks_is_gone(api: Api, pool: Pool) -> None:
    """Even if the restored database has given the same numbers to another event."""
    await append_all(pool, pause_events(f"job-{UUID(int=1)}"))
    (position,) = await read_all(api, 1, 1)
    xid, number, mark = position.split("-")
    other = f"{int(mark, 16) ^ 1:08x}"
    for gone in (f"{xid}-{number}-{other}", f"{xid}-{int(number) + 1}-{mark}", f"{int(xid) + 1}-{number}-{mark}"):
        for path in ("/api/events", "/api/events/stream"):
            problem = await api.json(410, "GET", f"{path}?after={gone}")
            assert problem["code"] == "position_gone"
            assert "from the beginning" in problem["detail"]
    assert (await api.json(410, "GET", "/api/events/stream", Last_Event_ID=gone))["code"] == "position_gone"
