"""What an operator reaches on a narrow screen: the navigation, and what acts on a row. What a wide one shows whole."""

from statistics import median

import pytest
from playwright.async_api import expect

from browser.console import Console


@pytest.mark.parametrize("width", [320, 800])
async def test_what_acts_on_a_queue_is_in_sight_on_a_narrow_screen(console: Console, width: int) -> None:
    page = await console.page("/console/queues", viewport={"width": width, "height": 900})
    acts = page.locator("#queues tbody .button")
    sides = await acts.evaluate_all(  # at once: a live page replaces its rows
        "all => all.map((each) => each.getBoundingClientRect()).map(({ left, right }) => [left, right])"
    )
    assert sides
    for n, (left, right) in enumerate(sides):
        assert 0 <= left < right <= width
        await acts.nth(n).click(trial=True)


async def test_the_navigation_leaves_its_width_to_the_page_below_900_pixels(console: Console) -> None:
    page = await console.page("/console/runs", viewport={"width": 880, "height": 900})
    await expect(page.locator("#navigation")).to_be_hidden()
    await page.get_by_role("link", name="Menu").click()
    await page.locator("#navigation").get_by_role("link", name="Jobs").click()
    await page.wait_for_url("**/console/jobs")


async def test_a_row_is_no_higher_than_its_words_need_on_a_narrow_screen(console: Console) -> None:
    page = await console.page("/console/events", viewport={"width": 320, "height": 900})
    rows = await page.locator("tbody tr").evaluate_all("rows => rows.map((row) => row.getBoundingClientRect().height)")
    assert median(rows) < 60, "a long text may take more"


async def test_the_words_of_a_drawing_can_be_read_on_a_narrow_screen(console: Console) -> None:
    page = await console.page("/console", viewport={"width": 320, "height": 900})
    heights = await page.locator("#picture svg text").evaluate_all(
        "all => all.map((each) => each.getBoundingClientRect().height)"
    )
    assert heights
    assert min(heights) >= 11


async def test_a_remark_beside_a_figure_stays_on_one_line(console: Console) -> None:
    page = await console.page("/console", viewport={"width": 1280, "height": 900})
    heights = await page.locator("#figures .remark").evaluate_all(
        "all => all.map((each) => each.getBoundingClientRect().height)"
    )
    assert heights
    assert max(heights) <= 16


@pytest.mark.parametrize("width", [1024, 1280])
async def test_the_drawing_of_the_overview_is_seen_whole_on_a_wide_screen(console: Console, width: int) -> None:
    page = await console.page("/console", viewport={"width": width, "height": 900})
    shown, needed = await page.locator("#picture .scroll").evaluate("each => [each.clientWidth, each.scrollWidth]")
    assert needed <= shown
