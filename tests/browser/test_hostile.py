"""What strangers write is shown as they wrote it, and does nothing."""

import orjson
import pytest
from playwright.async_api import Page, expect

from browser.console import Console
from support.api_app import running_api

SCRIPT = "</script><img src=https://evil.example/x onerror=alert(1)><script>alert(2)</script>"
RIGHT_TO_LEFT = "invoice \u202egnp.exe \u05e9\u05dc\u05d5\u05dd {{7*7}} ${7*7}"
EMOJI = "\U0001f600\U0001f469\u200d\U0001f680" * 50  # 200 characters
LARGE = {"n": 2**60, "text": "<b>" * 80_000}  # about 240 KiB


async def _seen(page: Page) -> str:
    """The text of the page, values of fields and what is folded away included."""
    fields = await page.eval_on_selector_all("main input, main textarea", "all => all.map((each) => each.value)")
    return "\n".join([await page.locator("main").text_content() or "", await page.locator("h1").inner_text(), *fields])


@pytest.mark.parametrize("name", [SCRIPT, RIGHT_TO_LEFT, EMOJI], ids=["script", "right to left", "emoji"])
async def test_a_hostile_name_payload_and_error_are_shown_verbatim(console: Console, name: str) -> None:
    payload = {"n": 2**60, name: [name, None, 1e308]}
    async with running_api(console.postgres_url) as api:
        run = await api.dead_letter(name, name=name, task="hostile", payload=payload, queue="hostile", tags=[name])
    page = await console.page("/console/jobs?task=hostile")
    for path in ("/console/jobs?task=hostile", "/console/runs?queue=hostile"):
        await page.goto(path)
        assert name in await _seen(page)
    for path in (f"/console/jobs/{run['job_id']}?tab=definition", f"/console/runs/{run['id']}"):
        await page.goto(path)
        await expect(page.locator("h1")).to_have_text(name)
        assert str(2**60) in await _seen(page)
    assert orjson.loads(await page.locator("pre.json").first.text_content() or "") == payload
    await page.goto(f"/console/dead-letters?run={run['id']}")
    await expect(page.locator("#workbench h2")).to_contain_text(name[:100])
    assert orjson.loads(await page.get_by_label("Payload").input_value()) == payload
    assert await page.locator("main img, main script, main b").count() == 0


async def test_a_payload_of_a_quarter_of_a_mebibyte_is_folded_and_whole(console: Console) -> None:
    async with running_api(console.postgres_url) as api:
        run = await api.dead_letter(name="large", task="large", payload=LARGE)
    page = await console.page(f"/console/runs/{run['id']}")
    assert len(await page.content()) < 100_000
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").first.click()
    assert orjson.loads((await (await download.value).path()).read_bytes()) == LARGE
    await page.goto(f"/console/dead-letters?run={run['id']}")
    assert orjson.loads(await page.get_by_label("Payload").input_value()) == LARGE
