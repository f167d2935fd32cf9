"""What an operator does in a browser."""

import asyncio

from playwright.async_api import expect

from browser.console import Console, axe_violations


async def test_a_job_is_paused_in_a_dialog_by_keyboard_alone(console: Console) -> None:
    page = await console.page()
    await page.keyboard.press("g")
    await page.keyboard.press("j")
    await expect(page).to_have_url(f"{console.url}/console/jobs")
    await page.wait_for_load_state()
    await page.keyboard.press("/")
    await page.keyboard.type("nightly")
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.wait_for_load_state()
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("nightly report")
    await page.wait_for_load_state()
    link = page.get_by_role("link", name="Pause…")
    await link.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await axe_violations(page) == []
    await page.keyboard.type("stock-taking")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Paused.", exact=True)).to_be_visible()
    job = (await console.http.get(f"/api/job/{console.jobs['nightly report']}")).json()
    assert (job["status"], job["reason"]) == ("paused", "stock-taking")


async def test_shortcuts_are_listed_and_can_be_switched_off(console: Console) -> None:
    page = await console.page()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert await axe_violations(page) == []
    await page.get_by_label("Shortcuts are on").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()


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
    await expect(page.locator("live-switch button")).to_have_attribute("data-state", "on")
    running = other.locator("#figures li").first
    before = await running.inner_text()
    for _ in range(100):  # the stream says only what comes after it was opened
        await console.http.post(f"/api/job/{job}/trigger", json={})
        if await page.get_by_text("new: show").count() and await running.inner_text() != before:
            break
        await asyncio.sleep(0.3)
    await expect(page.get_by_text("new: show")).to_be_visible()
    assert await running.inner_text() != before
    assert len(streams) <= 2
    await page.get_by_text("new: show").click()
    await expect(page.locator("tbody tr").first).to_contain_text("dispatched")


async def test_live_is_switched_off_and_stays_off(console: Console) -> None:
    page = await console.page()
    await page.get_by_role("button", name="Live").click()
    await expect(page.locator("live-switch button")).to_have_attribute("aria-pressed", "false")
    await page.reload()
    await expect(page.locator("live-switch button")).to_have_text("Live is off")


async def test_a_click_on_a_day_shows_its_times_and_why(console: Console) -> None:
    page = await console.page(f"/console/jobs/{console.jobs['nightly report']}")
    await page.locator("a[aria-label*='dead letter']").first.click()
    await page.get_by_role("link", name="why").first.click()
    await expect(page.locator("#why")).to_contain_text("dead letter")


async def test_the_preview_follows_the_form_while_it_is_typed(console: Console) -> None:
    page = await console.page("/console/new-job")
    await page.get_by_label("Expression").fill("0 5 * * 6")
    await expect(page.locator("#schedule-preview")).to_contain_text("05:00 on Saturday")
    await page.get_by_label("Name").fill("weekly report")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_text("Created.")).to_be_visible()
    await expect(page.locator("h1")).to_have_text("weekly report")
