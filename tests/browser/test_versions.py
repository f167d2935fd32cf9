"""The slider over the versions of a job."""

from playwright.async_api import expect

from browser.console import Console, axe_violations


async def test_an_earlier_version_is_chosen_by_keyboard(console: Console) -> None:
    made = {"name": "has versions", "scheduled_at": "2100-01-01T00:00:00Z", "queue": "before"}
    job = (await console.http.post("/api/job", json=made)).json()
    await console.http.patch(f"/api/job/{job['id']}", json={"queue": "after"})
    page = await console.page(f"/console/jobs/{job['id']}?tab=definition")
    slider = page.get_by_label("As of a change")
    await expect(slider).to_have_attribute("aria-valuetext", "As it is now")
    assert await axe_violations(page) == []
    await slider.press("Home")
    await expect(page.locator("version-slider output")).to_contain_text("Version 1, ")
    await page.locator("form:has(version-slider) button").click()
    await expect(page.locator("p.notice").first).to_contain_text("As it stood at")
    await expect(page.locator(".sentence")).to_contain_text("queue before")
