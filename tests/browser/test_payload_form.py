"""Fields of a payload by the schema of its task, and the JSON beside them."""

import asyncio

from playwright.async_api import Locator, expect

from browser.console import Console, axe_violations
from duebook_common.store.database import connect

SCHEMA = {"type": "object", "properties": {"to": {"type": "string"}, "n": {"type": "integer"}}}


async def _until_the_api_knows_the_schema(console: Console) -> None:
    """It reads the tasks anew when they are older than two seconds."""
    refused = {"name": "refused", "task": "a.form", "payload": {"to": 5}}
    async with asyncio.timeout(30):
        while (await console.http.post("/api/job?dry_run=true", json=refused)).status_code != 422:
            await asyncio.sleep(0.2)


async def _fill_until(field: Locator, text: str, other: Locator, follows: str) -> None:
    """Fill in the field until the other one follows: a script fills it also in the instant in which it is replaced."""
    async with asyncio.timeout(60):
        while follows not in await other.input_value():
            await field.fill("")
            await field.fill(text)
            await asyncio.sleep(1)


async def test_the_fields_of_a_payload_and_its_json_follow_each_other(console: Console) -> None:
    async with connect(console.postgres_url, "test", 1) as pool:
        await pool.execute("INSERT INTO tasks (name, payload_schema, seen_at) VALUES ('a.form', $1, now())", SCHEMA)
    await _until_the_api_knows_the_schema(console)
    page = await console.page("/console/new-job")
    await page.get_by_label("Name").fill("made by fields")
    editor = page.get_by_label("Payload (JSON)")
    await page.get_by_label("Task").fill("a.form")
    await page.get_by_label("Task").blur()
    to, number = page.locator("[name='payload/to']"), page.locator("[name='payload/n']")
    await _fill_until(to, "ops", editor, '"to": "ops"')
    await _fill_until(editor, '{"to": "dev", "more": 1152921504606846976}', to, "dev")
    await _fill_until(number, "7", editor, '"n": 7')
    assert await axe_violations(page) == []
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_text("Created.")).to_be_visible()
    job = (await console.http.get(f"/api/job/{page.url.rpartition('/')[2]}")).json()
    assert job["payload"] == {"to": "dev", "more": 2**60, "n": 7}
