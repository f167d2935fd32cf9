"""What a page does by itself: it follows the log, and remembers what its reader has chosen."""

from playwright.async_api import expect

from browser.console import Console, is_live


async def test_the_theme_is_switched_and_remembered(console: Console) -> None:
    page = await console.page(color_scheme="light")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    assert await page.evaluate(background) == "rgb(251, 251, 250)"
    await page.keyboard.press("t")
    await page.keyboard.press("t")
    assert await page.evaluate(background) == "rgb(19, 20, 22)"
    await page.reload()
    assert await page.evaluate(background) == "rgb(19, 20, 22)"


async def test_times_are_in_the_zone_that_the_reader_chooses(console: Console) -> None:
    page = await console.page(f"/console/jobs/{console.jobs['nightly report']}")
    await page.reload()  # the first visit says which zone is the reader's own
    await expect(page.locator("#next-times")).to_contain_text(" 02:00 +0")
    await page.locator("details.zone summary").click()
    await page.get_by_role("link", name="UTC", exact=True).click()
    await expect(page.locator("#next-times")).to_contain_text("+00:00")
    await page.goto("/console/jobs")
    await expect(page.locator("details.zone summary")).to_have_text("UTC +00:00")


async def test_a_new_run_is_announced_and_all_tabs_share_one_stream(console: Console) -> None:
    context, streams = await console.context(), []
    context.on("request", lambda request: streams.append(request.url) if request.url.endswith("/live") else None)
    job = console.jobs["rotate logs"]
    page, other = await context.new_page(), await context.new_page()
    await page.goto(f"/console/jobs/{job}?tab=runs")
    await other.goto("/console")
    await is_live(page)
    await is_live(other)
    running = other.locator("#figures li").first
    before = await running.inner_text()
    await console.http.post(f"/api/job/{job}/trigger", json={})
    await expect(page.get_by_text("1 new: show")).to_be_visible()
    await expect(running).not_to_have_text(before, use_inner_text=True)
    assert len(streams) <= 2
    await page.get_by_text("new: show").click()
    await expect(page.locator("tbody tr").first).to_contain_text("dispatched")


async def test_live_is_switched_off_and_stays_off(console: Console) -> None:
    page = await console.page()
    await page.get_by_role("button", name="Live").click()
    await expect(page.locator("live-switch button")).to_have_attribute("aria-pressed", "false")
    await page.reload()
    await expect(page.locator("live-switch button")).to_have_text("Live is off")


async def test_a_dark_page_is_printed_in_dark_ink_and_without_buttons(console: Console) -> None:
    """Paper is light, and browsers leave backgrounds out."""
    context = await console.context(color_scheme="dark")
    page = await context.new_page()
    await page.goto("/console/jobs")
    await page.evaluate("document.documentElement.dataset.theme = 'dark'")
    ink = "getComputedStyle(document.querySelector('h1')).color"
    assert await page.evaluate(ink) == "rgb(232, 232, 230)"
    await page.emulate_media(media="print")
    assert await page.evaluate(ink) == "rgb(28, 29, 31)"
    await expect(page.locator(".button:visible")).to_have_count(0)
    assert await page.evaluate("getComputedStyle(document.querySelector('.table')).overflowX") == "visible"
