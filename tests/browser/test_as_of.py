"""The slider over the instants of a job or a run."""

import re

from playwright.async_api import expect

from browser.console import Console, axe_violations


async def test_the_slider_of_a_job_shows_an_earlier_version(console: Console) -> None:
    made = {"name": "has versions", "scheduled_at": "2100-01-01T00:00:00Z", "queue": "before"}
    job = (await console.http.post("/api/job", json=made)).json()
    await console.http.patch(f"/api/job/{job['id']}", json={"queue": "after"})
    page = await console.page(f"/console/jobs/{job['id']}?tab=definition")
    slider = page.get_by_label("As of")
    await expect(slider).to_have_attribute("aria-valuetext", "now")
    assert await axe_violations(page) == []
    await slider.press("Home")
    await expect(page.locator("as-of-slider output")).to_contain_text("1 of 2: Job created")
    await expect(page.locator("main p.notice").first).to_contain_text("As it stood at")
    await expect(page.locator(".sentence")).to_contain_text("queue before")
    await expect(slider).to_be_focused()
    await expect(page).to_have_url(re.compile("as_of="))
    await expect(page).to_have_url(re.compile("tab=definition"))
    await slider.press("End")
    await expect(page.locator(".sentence")).to_contain_text("queue after")
    await expect(page).not_to_have_url(re.compile("as_of="))


async def test_the_slider_of_a_run_walks_its_attempts(console: Console) -> None:
    page = await console.page(await _dead_run(console))
    await expect(page.locator("#attempts tbody tr")).to_have_count(4)
    slider = page.get_by_label("As of")
    await slider.press("Home")
    await expect(page.locator("#attempts tbody tr")).to_have_count(1)
    await expect(page.locator(".sentence")).to_contain_text("running")
    await slider.press("ArrowRight")
    await expect(page.locator(".sentence")).to_contain_text("retrying")
    await page.reload()
    await expect(page.locator("as-of-slider output")).to_contain_text("Attempt failed")
    await expect(page.locator(".sentence")).to_contain_text("retrying")


async def test_without_scripts_the_instants_are_a_list(console: Console) -> None:
    page = await console.page(await _dead_run(console), java_script_enabled=False)
    await page.get_by_label("As of").select_option(index=0)
    await page.locator("#as-of button").click()
    await expect(page.locator("#attempts tbody tr")).to_have_count(1)
    await expect(page.locator("#as-of option[selected]")).to_contain_text("Attempt started")


async def _dead_run(console: Console) -> str:
    [dead] = (await console.http.get("/api/run?status=dead_lettered&q=charge&limit=1")).json()["items"]
    return f"/console/runs/{dead['id']}"
