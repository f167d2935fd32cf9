"""The form of a job in a browser: rare fields are folded, and work without JavaScript."""

import pytest
from playwright.async_api import Page, expect

from browser.console import LIVE_MS, Console, axe_violations


async def _fill(page: Page) -> None:
    await page.get_by_label("Name").fill("with rare fields")
    await page.locator("#more > summary").click()
    await page.get_by_label("First delay before a retry").fill("PT5S")
    await page.get_by_label("When a run fails for good").select_option("true")
    await page.get_by_label("failed an attempt").check()
    await page.get_by_label("Recipients").fill("ops@example.com")


async def test_rare_fields_are_folded_and_a_wrong_one_opens_them_again(console: Console) -> None:
    console.expected.add(422)
    page = await console.page("/console/new-job")
    await expect(page.get_by_label("Recipients")).to_be_hidden()
    await _fill(page)
    assert await axe_violations(page) == []
    await page.get_by_label("Not those older than").fill("a week")
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator("#j-catch_up_window-fault")).to_contain_text("is not a duration; write it like")
    await expect(page.get_by_label("Recipients")).to_have_value("ops@example.com")
    await expect(page.get_by_label("failed an attempt")).to_be_checked()
    await page.get_by_label("Not those older than").fill("P7D")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_text("Created.")).to_be_visible()
    job = (await console.http.get(f"/api/job/{page.url.rpartition('/')[2]}")).json()
    assert job["notify"] == {"to": ["ops@example.com"], "on": ["succeeded", "dead_lettered", "attempt_failed"]}
    assert (job["backoff"]["initial"], job["catch_up"]["window"], job["pause_on_failure"]) == ("PT5S", "P7D", True)


async def test_the_form_fits_a_narrow_screen_and_needs_no_script(console: Console) -> None:
    size = {"width": 320, "height": 800}
    page = await console.page("/console/new-job", java_script_enabled=False, viewport=size)
    await _fill(page)
    await page.locator("#more-schedule > summary").click()
    await page.get_by_label("Until").fill("2100-12-31T00:00:00Z")
    await page.get_by_label("Run the job").fill("key:other")
    await page.get_by_role("button", name="Preview").click()
    await expect(page.get_by_label("Run the job")).to_have_count(2)
    await expect(page.get_by_label("Until")).to_have_value("2100-12-31T00:00:00Z")
    box = await page.locator("#job-form").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size["width"]


@pytest.mark.parametrize("path", ["/console/forecast?queue=default", "/console/dead-letters?queue=default"])
async def test_a_filter_with_many_fields_is_one_row_at_1280_pixels(console: Console, path: str) -> None:
    page = await console.page(path, viewport={"width": 1280, "height": 800})
    bottoms = {
        round(box["y"] + box["height"])
        for control in await page.locator(".filter .field input, .filter .field select").all()
        if (box := await control.bounding_box()) is not None
    }
    assert len(bottoms) == 1


async def test_a_pause_is_marked_on_an_open_page(empty_console: Console) -> None:
    console = empty_console
    await console.http.post(
        "/api/job", json={"name": "marked", "queue": "marked", "scheduled_at": "2099-01-01T00:00:00Z"}
    )
    page = await console.page("/console/jobs")
    mark = page.locator("#navigation").get_by_text("1 paused")
    await expect(mark).to_be_hidden()
    await console.http.post("/api/queue/marked/pause", json={"reason": "a test"})
    try:
        await expect(mark).to_be_visible(timeout=LIVE_MS)
        assert await axe_violations(page) == []
    finally:
        await console.http.post("/api/queue/marked/resume", json={})
    await expect(mark).to_be_hidden(timeout=LIVE_MS)
