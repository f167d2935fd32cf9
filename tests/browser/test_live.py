"""Open pages become current: after the stream was lost, and without any event."""

import asyncio

import pytest
from playwright.async_api import BrowserContext, Request, Route, expect

from browser.console import LIVE_MS, Console, is_live, is_refresh


async def _refuse_refreshes(context: BrowserContext, status: int) -> None:
    """Answer each refresh of the page of jobs with this status, until `unroute`."""

    async def answer(route: Route) -> None:
        if is_refresh(route.request):
            await route.fulfill(status=status, content_type="text/html", body="<p>Not now</p>")
        else:
            await route.continue_()

    await context.route("**/console/jobs", answer)


async def test_a_page_is_refreshed_when_its_stream_comes_back(empty_console: Console) -> None:
    context = await empty_console.context()
    page, lost = await context.new_page(), asyncio.Event()

    async def once_broken(route: Route) -> None:
        """The first stream ends at once, so that the browser connects again."""
        if lost.is_set():
            await route.continue_()
        else:
            lost.set()
            await route.fulfill(status=200, content_type="text/event-stream", body="retry: 10\n\n")

    await context.route("**/console/live", once_broken)
    async with page.expect_request(is_refresh, timeout=LIVE_MS):
        await page.goto("/console/jobs")
    await is_live(page)


async def test_a_page_says_that_it_is_stale_while_nothing_answers(empty_console: Console) -> None:
    empty_console.expected.add(503)
    context, answers = await empty_console.context(), asyncio.Event()
    answers.set()

    async def maybe(route: Route) -> None:
        if answers.is_set():
            await route.continue_()
        else:
            await route.fulfill(status=503, content_type="text/plain", body="restarting")

    page = await context.new_page()
    await page.clock.install()
    await page.goto("/console/jobs")
    await is_live(page)
    await expect(page.locator("#stale")).to_be_hidden()
    await context.route("**/console/**", maybe)
    answers.clear()
    await page.clock.run_for(65_000)
    await expect(page.locator("#stale")).to_contain_text("The server does not answer.")
    answers.set()
    await page.clock.run_for(65_000)
    await expect(page.locator("#stale")).to_be_hidden()


async def test_a_page_that_says_what_is_wrong_does_not_say_that_nothing_answers(empty_console: Console) -> None:
    empty_console.expected.add(422)
    context = await empty_console.context()
    page = await context.new_page()
    async with page.expect_event("requestfinished", is_refresh, timeout=LIVE_MS):
        await page.goto("/console/runs?status=nonsense")
    await is_live(page)
    await expect(page.locator("#stale")).to_be_hidden()


async def test_a_page_that_the_server_shows_no_more_says_so(empty_console: Console) -> None:
    empty_console.expected.add(403)
    context = await empty_console.context()
    await _refuse_refreshes(context, 403)
    page = await context.new_page()
    await page.goto("/console/jobs")
    await expect(page.locator("#stale")).to_contain_text("The server shows it no more.")


@pytest.mark.parametrize("status", [408, 429])
async def test_a_page_that_was_refused_for_a_moment_goes_on(console: Console, status: int) -> None:
    console.expected.add(status)
    context = await console.context()
    await _refuse_refreshes(context, status)
    page = await context.new_page()
    await page.goto("/console/jobs")
    await expect(page.locator("#stale")).to_contain_text("goes on by itself")
    await context.unroute("**/console/jobs")
    await console.http.post("/api/job", json={"name": "next change", "scheduled_at": "2099-01-01T00:00:00Z"})
    await expect(page.locator("#stale")).to_be_hidden(timeout=LIVE_MS)


async def test_what_changes_before_the_stream_is_open_is_shown(console: Console) -> None:
    context, requested, may_open = await console.context(), asyncio.Event(), asyncio.Event()

    async def slow(route: Route) -> None:
        requested.set()
        await may_open.wait()
        await route.continue_()

    await context.route("**/console/live", slow)
    page = await context.new_page()
    await page.goto("/console/runs?q=made+meanwhile")
    async with asyncio.timeout(LIVE_MS / 1000):
        await requested.wait()
    job = (
        await console.http.post("/api/job", json={"name": "made meanwhile", "scheduled_at": "2099-01-01T00:00:00Z"})
    ).json()
    await console.http.post(f"/api/job/{job['id']}/trigger", json={})
    may_open.set()
    await expect(page.get_by_text("1 new: show")).to_be_visible()


async def test_more_new_rows_than_a_page_shows_are_at_least_as_many(console: Console) -> None:
    page = await (await console.context()).new_page()
    await page.goto("/console/runs?limit=1")
    await is_live(page)
    job = (await console.http.post("/api/job", json={"name": "m", "scheduled_at": "2099-01-01T00:00:00Z"})).json()
    for _ in range(2):
        await console.http.post(f"/api/job/{job['id']}/trigger", json={})
    await expect(page.get_by_text("1 or more new: show")).to_be_visible(timeout=LIVE_MS)
    style = "getComputedStyle(document.querySelector('tr.gone{}')).{}"
    assert await page.evaluate(style.format("", "opacity")) == "1"  # what has moved to the next page can still be read
    assert await page.evaluate(style.format(" .title", "color")) == "rgb(93, 97, 104)"


async def test_rows_that_all_fit_on_the_page_are_counted_exactly(console: Console) -> None:
    made = {"scheduled_at": "2099-01-01T00:00:00Z"}
    old, new = [
        (await console.http.post("/api/job", json={"name": f"swapped {n}"} | made)).json()["id"] for n in range(2)
    ]
    await console.http.post(f"/api/job/{old}/pause", json={})
    page = await (await console.context()).new_page()
    await page.goto("/console/jobs?status=paused&q=swapped")
    await is_live(page)
    await console.http.post(f"/api/job/{new}/pause", json={})
    await expect(page.get_by_text("1 new: show")).to_be_visible(timeout=LIVE_MS)
    await console.http.post(f"/api/job/{old}/resume", json={})
    await expect(page.locator("tr.gone")).to_be_visible(timeout=LIVE_MS)
    await expect(page.locator(".news")).to_have_text("1 new: show")


async def test_a_page_becomes_current_without_an_event_unless_it_is_in_use(empty_console: Console) -> None:
    page = await (await empty_console.context()).new_page()
    await page.clock.install()
    refreshes = list[Request]()
    page.on("request", lambda request: refreshes.append(request) if is_refresh(request) else None)
    await page.goto("/console/system")
    async with asyncio.timeout(LIVE_MS / 1000):
        while not refreshes:  # the one with which each page begins to follow
            await asyncio.sleep(0.1)
    async with page.expect_event("requestfinished", is_refresh, timeout=LIVE_MS):
        await page.clock.fast_forward(31_000)
        await page.clock.run_for(2_000)
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    before = len(refreshes)
    await page.clock.run_for(65_000)
    assert len(refreshes) == before


async def test_a_reader_who_may_see_no_runs_is_not_offered_the_stream(console: Console) -> None:
    context, paths = await console.context(await console.key("jobs:read")), list[str]()
    context.on("request", lambda request: paths.append(request.url))
    page = await context.new_page()
    await page.goto("/console/jobs", wait_until="networkidle")
    assert [url for url in paths if url.endswith("/live")] == []
    await expect(page.get_by_role("button", name="Live")).to_be_hidden()


async def test_an_action_says_that_nothing_answers_and_goes_on_later(console: Console) -> None:
    context = await console.context()
    page = await context.new_page()
    await page.goto(f"/console/jobs/{next(iter(console.jobs.values()))}")
    await is_live(page)
    await context.set_offline(True)
    try:
        await page.get_by_role("link", name="Run now…").click()
        await expect(page.locator("#messages")).to_contain_text("Duebook does not answer.")
    finally:
        await context.set_offline(False)
    await page.get_by_role("link", name="Run now…").click()
    await expect(page.locator("#dialog")).to_contain_text("One run starts at once")
    console.faults[:] = [fault for fault in console.faults if "ERR_INTERNET_DISCONNECTED" not in fault]
