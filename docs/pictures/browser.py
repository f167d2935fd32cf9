"""Pages of a running console as small PNG files."""

from collections.abc import Sequence
from io import BytesIO
from itertools import chain
from os import environ
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

from docs.pictures.pages import Picture

IMAGES = Path(__file__).parents[1] / "images"
_CHROMIUM = environ.get("CHROMIUM", "/usr/bin/chromium")
_COLOURS = 64  # of each kind
_SIZE: Any = {"width": 1280, "height": 800}
_MAIL: Any = {"width": 720, "height": 800}


async def draw(url: str, key: str, pictures: Sequence[Picture], mail: str) -> None:
    """Draw the sign-in, the pictures, and a mail."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        page = await _page(browser, "light")
        await page.goto(f"{url}/console/sign-in?{urlencode({'next': '/console'})}")
        await _save(page, "sign-in")
        for picture in pictures:
            await _picture(browser, url, key, picture)
        page = await _page(browser, "light")
        await page.set_viewport_size(_MAIL)
        await page.set_content(mail)
        await _save(page, "mail")
        await browser.close()


async def _page(browser: Browser, theme: Any) -> Page:
    context = await browser.new_context(viewport=_SIZE, color_scheme=theme, timezone_id="Europe/Berlin")
    return await context.new_page()


async def _picture(browser: Browser, url: str, key: str, picture: Picture) -> None:
    page = await _page(browser, picture.theme)
    await page.goto(f"{url}/console/sign-in?{urlencode({'next': picture.path})}")
    await page.get_by_label("Key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(lambda at: "/sign-in" not in at)
    await page.reload()  # the first visit says which zone is the reader's own, and has the forecast computed aside
    if picture.click:
        await page.locator(picture.click).first.click()
        await page.get_by_role("dialog").wait_for()
    await page.locator("live-switch button:not([data-state=connecting])").wait_for(state="attached")
    await page.evaluate("document.fonts.ready")
    await _save(page, picture.name)
    await page.context.close()


async def _save(page: Page, name: str) -> None:
    """Few colours make a small file: the most frequent ones as they are, and those that stand for all others."""
    image = Image.open(BytesIO(await page.screenshot())).convert("RGB")
    counted: Any = image.getcolors(image.width * image.height)
    frequent = [colour for _, colour in sorted(counted, reverse=True)[:_COLOURS]]
    others = image.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*chain.from_iterable(frequent), *others])
    small = image.quantize(palette=palette, dither=Image.Dither.NONE)
    small.save(IMAGES / f"{name}.png", optimize=True)
