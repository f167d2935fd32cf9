"""What must hold on every page: accessible, no wider than the screen, readable without JavaScript."""

import pytest

from browser.conftest import Console, axe_violations


def paths(console: Console) -> list[str]:
    job = f"/console/jobs/{console.jobs['nightly report']}"
    return [
        "/console",
        "/console/jobs",
        "/console/jobs?q=nothing",
        job,
        f"{job}?day=2026-08-05",
        f"{job}?tab=runs",
        f"{job}?tab=definition",
        f"{job}?tab=events",
        f"{job}/trigger",
        f"{job}/backfill",
        f"{job}/edit",
        "/console/new-job",
        "/console/runs",
        "/console/dead-letters",
        "/console/bulk",
        "/console/nothing",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(console: Console, theme: str) -> None:
    console.expected = {404}
    page = await console.page(color_scheme=theme)
    violations = []
    for path in paths(console):
        await page.goto(path)
        violations += await axe_violations(page)
    assert "\n".join(violations) == ""


async def test_no_page_is_wider_than_a_screen_of_320_pixels(console: Console) -> None:
    console.expected = {404}
    page = await console.page(viewport={"width": 320, "height": 640})
    widths = {}
    for path in paths(console):
        await page.goto(path)
        widths[path] = await page.evaluate("document.documentElement.scrollWidth")
    assert {path: width for path, width in widths.items() if width > 320} == {}


async def test_all_can_be_read_and_filtered_without_javascript(console: Console) -> None:
    console.expected = {404}
    page = await console.page("/console/jobs", java_script_enabled=False)
    await page.get_by_label("Name contains").fill("charge")
    await page.get_by_role("button", name="Filter").click()
    assert await page.locator("tbody tr").count() == 2
    await page.get_by_role("link", name="charge invoices").click()
    await page.get_by_role("link", name="Pause…").click()
    await page.get_by_label("Reason").fill("provider down")
    await page.get_by_role("button", name="Pause").click()
    assert await page.get_by_text("Paused.", exact=True).is_visible()
    for path in paths(console):
        await page.goto(path)
        assert await page.locator("main").inner_text()


async def test_every_target_is_large_enough_to_touch(console: Console) -> None:
    page = await console.page("/console/jobs")
    small = await page.evaluate(
        """() => [...document.querySelectorAll("button, .button, .side a, summary, input, select")]
            .filter((each) => each.offsetParent && !each.closest("dialog"))
            .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
            .filter(([_, box]) => box.height < 24 && box.width > 0 && box.height > 0).map(([html]) => html)"""
    )
    assert [each for each in small if "checkbox" not in each] == []
