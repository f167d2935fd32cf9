"""What a page does while an answer is on its way."""

import asyncio

from playwright.async_api import Route, expect

from browser.console import Console


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
