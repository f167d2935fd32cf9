"""Fifty viewers of live pages, on a real server: what they cost, and that nothing is left of them."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import orjson
import uvicorn

from duebook_api.events.stream import EventStream
from duebook_api.state.changes import _COUNTED, RESOURCES, Changes
from duebook_api.state.shared_answers import SharedAnswers
from duebook_common.store.eventstore import HORIZON
from duebook_devstack.plain_http import WITHOUT_TLS
from support.api_app import Api
from support.bookkeeping import eventually

VIEWERS = 50
_SCHEDULER = """
INSERT INTO services (instance_id, service, host, version, schema, tzdata, settings, draining, started_at, seen_at)
VALUES (gen_random_uuid(), 'scheduler', 'h', '1', '1', '1', '{}', false, now(), now())
"""
PAGES = ("/console", "/console/jobs", "/console/runs")


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[httpx2.AsyncClient]:
    app = api.http._transport.app  # type: ignore[attr-defined]
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    try:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=60, verify=WITHOUT_TLS
        ) as http:
            yield http
    finally:
        server.should_exit = True
        await serving


async def first_frame(stream: httpx2.Response) -> str:
    """The position of the first frame."""
    async for line in stream.aiter_lines():
        if line.startswith("id: "):
            return line.removeprefix("id: ")
    raise AssertionError("the stream has ended")


async def watch(http: httpx2.AsyncClient, viewers: AsyncExitStack, api: Api) -> None:
    """Open the streams, let something change, and refresh the pages as browsers do."""
    streams = [await viewers.enter_async_context(http.stream("GET", "/console/live")) for _ in range(VIEWERS)]
    assert api.deps.feed.streams == VIEWERS
    await api.deps.changes.step(api.deps.pool)
    await api.create()

    async def has_changed() -> bool:
        await api.deps.changes.step(api.deps.pool)
        return bool(api.deps.changes._events)

    await eventually(has_changed)
    positions = await asyncio.gather(*map(first_frame, streams))
    refreshes = [http.get(PAGES[n % 3], headers={"X-Live": position}) for n, position in enumerate(positions)]
    assert {answer.status_code for answer in await asyncio.gather(*refreshes)} == {200}


def kept_answers() -> list[SharedAnswers]:
    """All objects that keep answers now, also those of tests before, if one of these has failed."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, SharedAnswers) and len(each)]


def left(api: Api, of_others: Collection[int]) -> list[object]:
    """What viewers leave behind while they are there."""
    answers = [each for each in kept_answers() if id(each) not in of_others]
    streams = [each for each in gc.get_objects() if isinstance(each, EventStream)]
    busy = api.deps.pool.get_size() - api.deps.pool.get_idle_size()
    counts = [api.deps.feed.streams, api.deps.changes._pages, busy]
    return [*answers, *streams, *(number for number in counts if number)]


async def test_closing_all_viewers_frees_all_that_they_have_taken(api: Api) -> None:
    async with served(api) as http:
        await http.get("/console")
        before, of_others = len(asyncio.all_tasks()), {id(each) for each in kept_answers()}
        async with AsyncExitStack() as viewers:
            await watch(http, viewers, api)

        async def all_is_free() -> bool:
            # One task more is that of this test's timeout.
            return not left(api, of_others) and len(asyncio.all_tasks()) <= before + 1

        await eventually(all_is_free)
        assert await api.deps.changes.step(api.deps.pool) == 0
        assert api.deps.changes._position is None


async def test_a_refresh_shows_what_its_stream_has_read(api: Api) -> None:
    pages = await asyncio.gather(*(api.http.get("/console/jobs", headers={"X-Live": "1-1"}) for _ in range(2)))
    await api.create(name="a new job")
    later = await api.http.get("/console/jobs", headers={"X-Live": "1-2"})
    assert "a new job" not in pages[0].text + pages[1].text
    assert "a new job" in later.text


async def always() -> bool:
    return True


async def test_a_stream_says_first_that_it_follows_the_log(api: Api) -> None:
    frames = api.deps.changes.stream(always)
    await anext(frames)  # the page is open
    first = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    assert not first.done()
    await api.deps.changes.step(api.deps.pool)
    position, data = (await first).decode().split("\n", 1)
    assert (position.split(": ")[0], data) == ("id", "data: {}\n\n")
    later = api.deps.changes.stream(always)
    await anext(later)
    assert (await anext(later)).decode() == f"{position}\ndata: {{}}\n\n"
    for each in (frames, later):
        await each.aclose()


async def test_more_events_than_one_query_counts_do_not_let_pages_lag(api: Api) -> None:
    changes = Changes(most=2)
    frames = changes.stream(always)
    await anext(frames)  # the page is open
    await changes.step(api.deps.pool)
    await anext(frames)  # it follows the log
    frame = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)  # it waits for a change
    for _ in range(5):
        await api.create()

    async def are_readable() -> bool:
        return bool(await api.deps.pool.fetchval(f"SELECT bool_and({HORIZON}) FROM events"))

    await eventually(are_readable)
    await changes.step(api.deps.pool)
    assert set(orjson.loads((await frame).split(b"data: ")[1])) == set(RESOURCES)
    known = Counter(changes._events)
    await changes.step(api.deps.pool)
    assert changes._events == known
    await frames.aclose()


async def test_a_process_that_was_lost_shows_without_any_event(api: Api) -> None:
    changes, pool = api.deps.changes, api.deps.pool
    frames, headers = await open_page_with_a_scheduler(api)
    assert not await shown_on(api, headers, "lost")
    await pool.execute("UPDATE services SET seen_at = seen_at - interval '2 minutes'")
    changes._look_at -= 5
    frame = asyncio.ensure_future(anext(frames))
    await changes.step(pool)
    assert orjson.loads((await frame).split(b"data: ")[1]) == {"process": 1}

    async def shows() -> bool:
        await changes.step(pool)  # counts on a slow machine serve for some time
        return await shown_on(api, headers, "lost") == {"/console", "/console/system"}

    await eventually(shows)
    changes._look_at -= 5
    known = changes._events["process"] - changes.repeats
    await changes.step(pool)
    assert changes._events["process"] - changes.repeats == known == 1
    await frames.aclose()


async def test_a_page_with_numbers_that_are_out_of_date_is_refreshed_once_more(api: Api) -> None:
    changes, pool = api.deps.changes, api.deps.pool
    frames, headers = await open_page_with_a_scheduler(api)
    assert not await shown_on(api, headers, "lost")
    kept = api.deps.system._kept
    kept._until_changed += 3600  # as where it is slow to read
    await pool.execute("UPDATE services SET seen_at = seen_at - interval '2 minutes'")
    changes._look_at -= 5
    await changes.step(pool)
    await anext(frames)
    assert not await shown_on(api, headers, "lost")
    kept._until_changed -= 3600
    changes._repeat_at -= 3600  # the time has passed
    frame = asyncio.ensure_future(anext(frames))

    async def comes() -> bool:
        await changes.step(pool)
        return frame.done()

    await eventually(comes)
    assert orjson.loads(frame.result().split(b"data: ")[1]) == dict.fromkeys(_COUNTED, 1)
    assert await shown_on(api, headers, "lost") == {"/console", "/console/system"}
    await frames.aclose()


async def open_page_with_a_scheduler(api: Api) -> tuple[AsyncGenerator[bytes, None], dict[str, str]]:
    """The frames of an open page, and the header of its refreshes."""
    await api.deps.pool.execute(_SCHEDULER)
    frames = api.deps.changes.stream(always)
    await anext(frames)  # the page is open
    await api.deps.changes.step(api.deps.pool)
    return frames, {"X-Live": (await anext(frames)).decode().split("\n")[0].removeprefix("id: ")}


async def shown_on(api: Api, headers: dict[str, str], word: str) -> set[str]:
    """Which of the two pages of processes have the word."""
    pages = {path: await api.http.get(path, headers=headers) for path in ("/console", "/console/system")}
    return {path for path, page in pages.items() if word in main_of(page.text)}


def main_of(page: str) -> str:
    return page[page.index("<main") : page.index("</main>")]
