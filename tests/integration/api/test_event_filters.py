"""Filters of the log: applied by the server, resumable, and never a scan of the whole log in one request."""

import asyncio
from contextlib import aclosing
from typing import Any
from uuid import UUID

import pytest

from duebook_api.http.positions import LOG_START, Position
from duebook_api.state.feed import Feed
from duebook_common.domain.job.events import JobDeleted, JobPaused
from duebook_common.store import event_scan
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool, snapshot
from duebook_common.store.event_scan import EventFilter
from duebook_common.store.eventstore import Write
from support.api_app import Api
from support.bookkeeping import NOW
from support.event_log import append_all, stepped
from support.query_cost import query_cost

ONE, OTHER = UUID(int=1), UUID(int=2)
RUN = UUID(int=9)


async def fill(pool: Pool) -> None:
    """Some events of two jobs, a run and its mails, by two actors."""
    for n in range(12):
        job = OTHER if n == 5 else ONE
        stream = f"run-{RUN}" if n == 3 else f"mail-{RUN}" if n == 8 else f"job-{UUID(int=n)}"
        event = JobDeleted(at=NOW) if n in {4, 11} else JobPaused(reason=f"{n}", at=NOW)
        meta = Actor("key:b" if n in {2, 9} else "key:a").meta()
        await append_all(pool, Write(stream, 0, [event], job, meta=meta))


FILTERS = [
    ("type=JobDeleted", [4, 11]),
    ("type=JobDeleted,JobPaused", [*range(12)]),
    (f"job_id={OTHER}", [5]),
    (f"run_id={RUN}", [3, 8]),
    ("actor=key:b", [2, 9]),
    ("actor=key:b&type=JobDeleted", []),
    (f"run_id={RUN}&type=JobDeleted", []),
    (f"job_id={UUID(int=99)}", []),
]


async def number_of(pool: Pool, event: dict[str, Any]) -> int:
    found = await pool.fetchval(
        "SELECT count(*) FROM events WHERE xid < $1::xid8", int(event["position"].split("-")[0])
    )
    return int(found)


async def read_until(api: Api, filters: str, limit: int, end: str) -> list[dict[str, Any]]:
    """All items, by `position` as by `next_cursor`; waits for the horizon of the shared server."""
    items: list[dict[str, Any]] = []
    after = ""
    async with asyncio.timeout(60):
        while True:
            page = await api.json(200, "GET", f"/api/events?{filters}&limit={limit}{after}")
            items += page["items"]
            if page["next_cursor"] is not None:
                assert page["next_cursor"] == page["position"]
            if page["position"] == end:
                return items
            after = f"&after={page['position']}" if page["position"] else ""


async def last_position(api: Api, count: int) -> str:
    async with asyncio.timeout(60):
        while True:
            page = await api.json(200, "GET", "/api/events?limit=200")
            if len(page["items"]) == count:
                return str(page["position"])


@pytest.mark.parametrize("scanned", [1, 3, 1000])
async def test_a_filter_finds_each_of_its_events_once(
    api: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch, scanned: int
) -> None:
    monkeypatch.setattr(event_scan, "SCANNED", scanned)
    await fill(pool)
    end = await last_position(api, 12)
    for filters, expected in FILTERS:
        for limit in (1, 200):
            found = await read_until(api, filters, limit, end)
            assert [await number_of(pool, event) for event in found] == expected, (filters, limit)


async def test_a_filter_that_matches_nothing_still_advances(
    api: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_scan, "SCANNED", 5)
    await fill(pool)
    end = await last_position(api, 12)
    page = await api.json(200, "GET", "/api/events?actor=none")
    assert page["items"] == []
    assert page["next_cursor"] not in {None, end}
    assert await read_until(api, "actor=none", 50, end) == []
    again = await api.json(200, "GET", f"/api/events?actor=none&after={end}")
    assert again == {"items": [], "position": end, "next_cursor": None}


async def test_one_request_reads_a_bounded_part_of_the_log(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_scan, "SCANNED", 100)
    await pool.execute(
        """INSERT INTO events (stream, version, id, type, job_id, data, meta, recorded_at)
           SELECT 'run-' || n, 1, gen_random_uuid(), 'AttemptStarted', gen_random_uuid(), '{}', '{}', now()
           FROM generate_series(1, 20000) AS n"""
    )
    await pool.execute("VACUUM ANALYZE events")
    nothing = (*LOG_START, 50, 2**20, 100, ["none"], None, None)
    assert (await query_cost(pool, event_scan._PAGE, *nothing)).buffers < 50
    assert (await query_cost(pool, event_scan._LAST_SCANNED, *LOG_START, 99)).buffers < 50
    of_run = await query_cost(pool, event_scan._PAGE_OF_STREAMS, *nothing, ["run-7", "mail-7"])
    assert of_run.buffers < 50
    async with snapshot(pool) as db:
        assert (await event_scan.scan(db, LOG_START, EventFilter(actor="none"), 50)).events == []


@pytest.mark.parametrize("behind", [True, False])
async def test_a_stream_shows_only_what_is_wanted_and_says_how_far_it_got(
    api: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch, behind: bool
) -> None:
    monkeypatch.setattr("duebook_api.state.feed._HEARTBEAT", 0.0)
    monkeypatch.setattr(event_scan, "SCANNED", 2)
    feed, wanted = Feed(pool), EventFilter(types=frozenset({"JobDeleted"}))
    if behind:
        await fill(pool)
        await last_position(api, 12)
    text = ""
    with feed.reserve_stream("a client"):
        async with asyncio.timeout(60), stepped(feed), aclosing(feed.stream(Position(0, 0), wanted=wanted)) as stream:
            if not behind:
                await feed.step()
                await fill(pool)
            async for chunk in stream:
                text += chunk.decode()
                if text.count("event: JobDeleted") == 2:
                    break
    assert "event: JobPaused" not in text
    assert "id: " in text.partition("event: JobDeleted")[0], "the client can resume behind what it was not shown"
