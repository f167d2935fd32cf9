"""What a page does while an answer is on its way."""

import asyncio

from playwright.async_api import Page, Route, expect

from browser.console import LIVE_MS, Console, is_live, is_refresh


async def test_a_dialog_that_is_on_its_way_is_seen_and_requested_once(console: Console) -> None:
    page, may_answer, requests = await console.page("/console/queues"), asyncio.Event(), list[str]()

    async def answer_late(route: Route) -> None:
        requests.append(route.request.url)
        await may_answer.wait()
        await route.continue_()

    await page.route("**/console/queues/*/pause", answer_late)
    link = page.locator("#queues").get_by_role("link", name="Pause…").first
    await page.wait_for_load_state()
    await link.click()
    await expect(link).to_have_attribute("aria-busy", "true")
    await link.click()
    may_answer.set()
    await page.get_by_role("dialog").get_by_label("Reason").fill("typed")
    await expect(link).not_to_have_attribute("aria-busy", "true")
    assert len(requests) == 1


class _LateRefresh:
    """The next refresh of a page, which is answered when the test says so."""

    def __init__(self, page: Page) -> None:
        self._page, self._requested, self._may_arrive = page, asyncio.Event(), asyncio.Event()

    async def answer(self, route: Route) -> None:
        if is_refresh(route.request):
            answer = await route.fetch()
            self._requested.set()
            await self._may_arrive.wait()
            await route.fulfill(response=answer)
        else:
            await route.continue_()

    async def is_requested(self) -> None:
        async with asyncio.timeout(LIVE_MS / 1000):
            await self._requested.wait()

    async def arrives_in_vain(self) -> None:
        """The page waits for its reader to take it over."""
        self._may_arrive.set()
        await expect(self._page.locator("live-switch button")).to_have_attribute("data-state", "paused")


async def test_a_refresh_that_arrives_while_a_row_is_selected_comes_later(console: Console) -> None:
    page = await console.page("/console/jobs")
    await is_live(page)
    refresh = _LateRefresh(page)
    await page.route("**/console/jobs", refresh.answer)
    made = {"name": "made before a row is selected", "scheduled_at": "2100-01-01T00:00:00Z"}
    await console.http.post("/api/job", json=made)
    await refresh.is_requested()
    for key in "jx":
        await page.keyboard.press(key)
    await expect(page.locator("#jobs tr.selected")).to_have_count(1)
    await refresh.arrives_in_vain()
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("1 new: show")).to_be_visible()


async def test_a_dialog_gives_back_the_focus_where_a_refresh_arrives_meanwhile(console: Console) -> None:
    page = await console.page("/console/queues")
    await is_live(page)
    refresh = _LateRefresh(page)
    await page.route("**/console/queues", refresh.answer)
    made = {"name": "of a new queue", "queue": "zz-new", "scheduled_at": "2100-01-01T00:00:00Z"}
    await console.http.post("/api/job", json=made)
    await refresh.is_requested()
    link = page.locator("#queue-default").get_by_role("link", name="Pause…")
    await link.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await refresh.arrives_in_vain()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(link).to_be_focused()
    await expect(page.locator("#queue-zz-new")).to_be_visible()
