"""The console without a mouse: every step of these tests is a key."""

from datetime import UTC, datetime

from playwright.async_api import Page, expect

from browser.console import KEY, LIVE_MS, Console, axe_violations, is_live


async def _press(page: Page, keys: str) -> None:
    await page.wait_for_load_state()
    for key in keys.split():
        await page.keyboard.press(key)


async def _let_keys_be_quick(page: Page) -> None:
    """By the page's clock no time passes between two keys: it leaves a reader a second and a half after `g`."""
    await page.clock.set_fixed_time(datetime.now(UTC))


async def _focused(page: Page) -> str:
    return str(await page.evaluate("(document.activeElement.innerText || document.activeElement.name || '').trim()"))


async def _focus_by_tab(page: Page, wanted: str) -> None:
    for _ in range(100):
        if await _focused(page) == wanted:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")


async def test_a_job_is_found_and_paused_by_keyboard_alone(console: Console) -> None:
    page = await console.page("/console/runs", key=None)
    await _focus_by_tab(page, "key")  # it takes the focus by itself only once the browser draws the page
    await page.keyboard.type(KEY)
    await expect(page.get_by_label("Key")).to_have_value(KEY)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{console.url}/console/runs")
    await _let_keys_be_quick(page)
    await _press(page, "g j")
    await expect(page).to_have_url(f"{console.url}/console/jobs")
    await _press(page, "/")
    await page.keyboard.type("rotate")
    await _press(page, "Enter")
    await expect(page).to_have_url(f"{console.url}/console/jobs?q=rotate")
    await expect(page.locator("#jobs tbody tr")).to_have_count(1)
    await _press(page, "j j k")
    assert await _focused(page) == "rotate logs"
    await _press(page, "Enter")
    await expect(page.locator("h1")).to_have_text("rotate logs")
    await _press(page, ".")
    await _focus_by_tab(page, "Pause…")
    await _pause_in_the_dialog(page)
    job = (await console.http.get(f"/api/job/{console.jobs['rotate logs']}")).json()
    assert (job["status"], job["reason"]) == ("paused", "stock-taking")
    await console.http.post(f"/api/job/{job['id']}/resume", json={})


async def _pause_in_the_dialog(page: Page) -> None:
    """The dialog keeps the focus, Esc gives it back, and Enter sends its form."""
    dialog = page.get_by_role("dialog")
    await _press(page, "Enter")
    await expect(dialog).to_be_visible()
    assert await axe_violations(page) == []
    for _ in range(12):
        await page.keyboard.press("Tab")
        assert await page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    await _press(page, "Escape")
    await expect(dialog).to_be_hidden()
    assert await _focused(page) == "Pause…"
    await _press(page, "Enter")
    await expect(dialog.get_by_label("Reason")).to_be_focused()
    await page.keyboard.type("stock-taking")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Paused.", exact=True)).to_be_visible()


async def test_g_and_r_lead_to_the_runs_whose_filter_takes_the_focus(console: Console) -> None:
    page = await console.page()
    await _let_keys_be_quick(page)
    await _press(page, "g r")
    await expect(page).to_have_url(f"{console.url}/console/runs")
    await _press(page, "j j")
    row = page.locator("#runs tbody tr").nth(1)
    await expect(row).to_have_class("current")
    await _press(page, "Enter")
    await expect(page.locator("#timeline")).to_be_visible()


async def test_a_live_page_keeps_the_row_that_the_keys_have_reached(console: Console) -> None:
    page = await console.page("/console/jobs")
    await is_live(page)
    await _press(page, "j j")
    row = page.locator("#jobs tr.current")
    job, name = (await row.get_attribute("id") or "").removeprefix("job-"), await _focused(page)
    assert name
    await console.http.post(f"/api/job/{job}/pause", json={})
    await expect(page.locator(f"#job-{job}")).to_contain_text("paused", timeout=LIVE_MS)
    assert (await row.get_attribute("id"), await _focused(page)) == (f"job-{job}", name)
    await console.http.post("/api/job", json={"name": "a new row", "scheduled_at": "2100-01-01T00:00:00Z"})
    await console.http.post(f"/api/job/{job}/resume", json={})
    await expect(page.get_by_text("1 new: show")).to_be_visible(timeout=LIVE_MS)
    await expect(page.locator(f"#job-{job}")).not_to_contain_text("paused", timeout=LIVE_MS)
    assert (await row.get_attribute("id"), await _focused(page)) == (f"job-{job}", name)


async def test_selected_rows_pause_the_page_and_give_their_ids(console: Console) -> None:
    page = await console.page("/console/jobs")
    await is_live(page)
    await _press(page, "j x j x")
    rows = page.locator("#jobs tr.selected")
    await expect(rows).to_have_count(2)
    await expect(page.get_by_text("2 selected, Live is paused.")).to_be_visible()
    ids = [(await row.get_attribute("id") or "").removeprefix("job-") for row in await rows.all()]
    await expect(page.get_by_role("button", name="Copy their ids")).to_have_attribute("data-copy", "\n".join(ids))
    assert await axe_violations(page) == []
    made = {"name": "made while rows are selected", "scheduled_at": "2100-01-01T00:00:00Z"}
    await console.http.post("/api/job", json=made)
    await expect(page.locator("live-switch button")).to_have_attribute("data-state", "paused")
    await expect(rows).to_have_count(2)
    await _press(page, "Escape")
    await expect(rows).to_have_count(0)
    await expect(page.get_by_text("1 new: show")).to_be_visible()


async def test_shortcuts_are_listed_and_can_be_switched_off(console: Console) -> None:
    page = await console.page()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert await axe_violations(page) == []
    await page.get_by_label("Shortcuts are on").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
