"""What must hold on every page, full and empty: accessible, quiet, no wider than the screen, readable in any mode."""

import asyncio
from collections.abc import Sequence
from itertools import chain

import httpx2
import pytest
from playwright.async_api import Page, expect

from browser.console import KEY, Console, axe_violations
from duebook_api.access.session_cookie import NAME
from duebook_devstack.plain_http import WITHOUT_TLS
from support.console import kinds_of_pages

SMALL, LARGE = {"width": 320, "height": 640}, {"width": 1280, "height": 800}
_TABS = 2  # pages that are looked at meanwhile
CHANGES = "%5B%7B%22create%22%3A%7B%22name%22%3A%22new%22%2C%22recurrence%22%3A%22daily%22%7D%7D%5D"
WITHOUT_LINK = [
    "/console/jobs?q=nothing",
    "/console/runs?q=nothing",
    "/console/dead-letters?q=nothing",
    f"/console/forecast?changes={CHANGES}",
    "/console/forecast?changes=no",
    "/console/nothing",
]
# Glyphs that are drawn in the colour of what is behind them, or not at all.
HIDDEN_GLYPHS = """() => [...document.querySelectorAll("main .chip")].filter((chip) => {
    const glyph = chip.querySelector(".glyph");
    if (!chip.checkVisibility() || !chip.innerText.trim()) return false;
    const box = glyph?.getBoundingClientRect();
    return !box?.width || getComputedStyle(glyph).stroke === getComputedStyle(document.body).backgroundColor;
}).map((chip) => chip.outerHTML.slice(0, 120))"""
MOVING = "() => document.getAnimations().filter((each) => each.playState === 'running').length"


async def paths(console: Console) -> list[str]:
    async with httpx2.AsyncClient(base_url=console.url, timeout=60, verify=WITHOUT_TLS) as http:
        http.cookies.set(NAME, await console.session(KEY))
        return [*await kinds_of_pages(http), *WITHOUT_LINK]


async def _look(page: Page, path: str) -> list[str]:
    """What is wrong with the page: in both themes, 320 pixels wide, with forced colours and without motion."""
    await page.set_viewport_size(LARGE)  # type: ignore[arg-type]
    await page.emulate_media(color_scheme="light", forced_colors="none", reduced_motion="reduce")
    await page.goto(path)
    faults = await axe_violations(page)
    if await page.evaluate(MOVING):
        faults.append(f"{path}: moves, although the reader wants no motion")
    await page.emulate_media(color_scheme="dark")
    faults += await axe_violations(page, ["color-contrast"])
    await page.set_viewport_size(SMALL)  # type: ignore[arg-type]
    if (width := await page.evaluate("document.documentElement.scrollWidth")) > SMALL["width"]:
        faults.append(f"{path}: {width} pixels wide")
    faults += await axe_violations(page, ["scrollable-region-focusable"])
    await page.emulate_media(forced_colors="active")
    faults += [f"{path}: no glyph with forced colours: {each}" for each in await page.evaluate(HIDDEN_GLYPHS)]
    return faults


async def _look_at_all(console: Console, paths: Sequence[str]) -> list[str]:
    async def look(share: Sequence[str]) -> list[str]:
        page = await console.page()
        return list(chain.from_iterable([await _look(page, path) for path in share]))

    console.expected = {404, 422}
    found = await asyncio.gather(*(look(paths[n::_TABS]) for n in range(_TABS)))
    return list(chain.from_iterable(found))


async def test_every_page_is_accessible_quiet_and_fits_any_screen(console: Console) -> None:
    assert "\n".join(await _look_at_all(console, await paths(console))) == ""


async def test_every_page_of_an_empty_installation_is_so_too(empty_console: Console) -> None:
    assert "\n".join(await _look_at_all(empty_console, await paths(empty_console))) == ""


async def test_every_page_can_be_read_without_javascript(console: Console) -> None:
    console.expected = {404, 422}
    page = await console.page("/console/jobs", java_script_enabled=False)
    for path in await paths(console):
        await page.goto(path)
        assert await page.locator("main").inner_text()
        assert await page.locator("[data-copy]:visible, live-switch:visible, [data-action]:visible").count() == 0, path


async def test_a_list_is_filtered_and_an_action_done_without_javascript(console: Console) -> None:
    page = await console.page("/console/jobs", java_script_enabled=False)
    await page.get_by_label("Name contains").fill("charge")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator("#jobs tbody tr")).to_have_count(2)
    await page.get_by_role("link", name="charge subscriptions").click()
    for action, done in (("Pause", "Paused."), ("Resume", "Resumed.")):
        await page.get_by_role("link", name=f"{action}…").click()
        await page.get_by_label("Reason").fill("provider down")
        await page.get_by_role("button", name=action).click()
        await expect(page.get_by_text(done, exact=True)).to_be_visible()


@pytest.mark.parametrize("path", ["/console/jobs", "/console/runs", "/console/keys"])
async def test_every_target_is_large_enough_to_touch(console: Console, path: str) -> None:
    page = await console.page(path)
    small = await page.evaluate(
        """() => [...document.querySelectorAll("button, .button, .side a, summary, input, select")]
            .filter((each) => each.offsetParent && !each.closest("dialog"))
            .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
            .filter(([_, box]) => box.height < 24 && box.width > 0 && box.height > 0).map(([html]) => html)"""
    )
    assert [each for each in small if "checkbox" not in each] == []
