"""The page of the log: its end, pages of it, filters, and the download."""

import asyncio
import json
import re
from uuid import UUID

from duebook_common.domain.job.events import JobPaused
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool
from duebook_common.store.event_scan import EventFilter
from duebook_common.store.eventstore import Write
from duebook_common.store.newest_events import END, newest_events
from support.api_app import Api
from support.bookkeeping import NOW
from support.console import get
from support.event_log import append_all

HOSTILE = "</script><img src=x onerror=alert(1)>"
ROW = re.compile(r'<tr id="event-([0-9a-f-]+)"')


async def until(api: Api, path: str, count: int) -> str:
    """The page as soon as it has so many events: open transactions of the shared server hold back the newest."""
    async with asyncio.timeout(60):
        while len(ROW.findall(page := await get(api, path))) != count:
            await asyncio.sleep(0.1)
        return page


async def fill(pool: Pool, count: int) -> None:
    for n in range(count):
        event, meta = JobPaused(reason=f"{n} {HOSTILE}", at=NOW), Actor("key:a" if n % 2 else HOSTILE).meta()
        await append_all(pool, Write(f"job-{UUID(int=n)}", 0, [event], UUID(int=n), meta=meta))


async def test_the_log_is_read_from_its_end_page_by_page(api: Api, pool: Pool) -> None:
    assert "The log is empty" in await get(api, "/console/events")
    await fill(pool, 60)
    page = await until(api, "/console/events", 50)
    assert "<img" not in page
    older = re.search(r'href="(/console/events\?before=[^"]+)"', page)
    assert older is not None
    rest = await get(api, older[1])
    assert len(ROW.findall(rest)) == 10
    assert not set(ROW.findall(rest)) & set(ROW.findall(page))


async def test_a_filter_and_a_position_choose_the_events(api: Api, pool: Pool) -> None:
    await fill(pool, 6)
    page = await until(api, "/console/events", 6)
    assert len(ROW.findall(await get(api, "/console/events?actor=key:a"))) == 3
    assert len(ROW.findall(await get(api, f"/console/events?job_id={UUID(int=2)}"))) == 1
    assert "No event matches" in await get(api, "/console/events?type=JobDeleted")
    newest, *_, oldest = ROW.findall(page)
    following = ROW.findall(await get(api, f"/console/events?after={oldest}"))
    assert (len(following), following[-1]) == (5, newest)
    await get(api, "/console/events?after=1-1-00000000", 410)
    await get(api, f"/console/events?after={oldest}&before={oldest}", 422)


async def test_the_download_has_every_event_that_matches(api: Api, pool: Pool) -> None:
    await fill(pool, 6)
    await until(api, "/console/events", 6)
    answer = await api.http.get("/console/events.ndjson?actor=key:a")
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert [event["data"]["reason"][0] for event in events] == ["1", "3", "5"]
    assert "attachment" in answer.headers["content-disposition"]


async def test_a_search_looks_at_so_many_events_and_says_where_it_goes_on(pool: Pool) -> None:
    await fill(pool, 6)
    wanted, found, before = EventFilter(actor="key:a"), list[int](), END
    async with asyncio.timeout(60), pool.acquire() as db:
        while await db.fetchval("SELECT count(*) FROM events WHERE xid < pg_snapshot_xmin(pg_current_snapshot())") < 6:
            await asyncio.sleep(0.1)
        while True:
            read = await newest_events(db, before, wanted, 10, scanned=2)
            assert len(read.rows) <= 1
            found += [row["job_id"].int for row in read.rows]
            if read.older is None:
                break
            before = (read.older["xid"], read.older["position"])
    assert found == [5, 3, 1]
