"""Fields of a payload by the schema of its task, and the JSON beside them."""

import asyncio
import re

from playwright.async_api import Page, Route, expect

from browser.console import Console, axe_violations
from duebook_common.store.database import connect

SCHEMA = {"type": "object", "properties": {"to": {"type": "string"}, "n": {"type": "integer"}}}


async def _until_the_api_knows_the_schema(console: Console) -> None:
    """It reads the tasks anew when they are older than two seconds."""
    refused = {"name": "refused", "task": "a.form", "payload": {"to": 5}}
    async with asyncio.timeout(30):
        while (await console.http.post("/api/job?dry_run=true", json=refused)).status_code != 422:
            await asyncio.sleep(0.2)


async def _new_job(console: Console) -> Page:
    """The form of a new job of this task."""
    async with connect(console.postgres_url, "test", 1) as pool:
        row = "INSERT INTO tasks (name, payload_schema, seen_at) VALUES ('a.form', $1, now()) ON CONFLICT DO NOTHING"
        await pool.execute(row, SCHEMA)
    await _until_the_api_knows_the_schema(console)
    page = await console.page("/console/new-job")
    await page.get_by_label("Name").fill("made by fields")
    await page.get_by_label("Task").fill("a.form")
    await page.get_by_label("Task").blur()
    await page.locator("[name='payload/to']").wait_for()
    return page


async def test_the_fields_of_a_payload_and_its_json_follow_each_other(console: Console) -> None:
    page = await _new_job(console)
    editor, to = page.get_by_label("Payload (JSON)"), page.locator("[name='payload/to']")
    await to.fill("ops")
    await expect(editor).to_have_value(re.compile('"to": "ops"'))
    await editor.fill('{"to": "dev", "more": 1152921504606846976}')
    await expect(to).to_have_value("dev")
    await page.locator("[name='payload/n']").fill("7")
    await expect(editor).to_have_value(re.compile('"n": 7'))
    assert await axe_violations(page) == []
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_text("Created.")).to_be_visible()
    job = (await console.http.get(f"/api/job/{page.url.rpartition('/')[2]}")).json()
    assert job["payload"] == {"to": "dev", "more": 2**60, "n": 7}


async def test_an_editor_that_was_made_larger_is_replaced_within_the_policy(console: Console) -> None:
    page = await _new_job(console)
    editor, to = page.get_by_label("Payload (JSON)"), page.locator("[name='payload/to']")
    await editor.evaluate("each => (each.style.height = '333px')")  # as its corner does
    await to.fill("ops")  # a style that is copied into the new editor would be refused, and the console would say so
    await expect(editor).to_have_value(re.compile('"to": "ops"'))


async def test_what_is_typed_while_an_answer_is_on_its_way_stays(console: Console) -> None:
    page = await _new_job(console)
    editor, to = page.get_by_label("Payload (JSON)"), page.locator("[name='payload/to']")
    answered, typed = asyncio.Event(), asyncio.Event()

    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        answered.set()
        await typed.wait()
        await route.fulfill(response=answer)

    await page.route("**/console/payload", answer_late)
    await editor.fill('{"n": 1}')
    await answered.wait()
    await to.fill("ops")
    typed.set()
    await expect(editor).to_have_value(re.compile('"to": "ops"'))
    await expect(to).to_have_value("ops")
    await expect(page.locator("[name='payload/n']")).to_have_value("1")


async def test_fields_and_json_that_are_typed_in_one_moment_are_both_kept(console: Console) -> None:
    page = await _new_job(console)
    editor, to = page.get_by_label("Payload (JSON)"), page.locator("[name='payload/to']")
    await page.evaluate(
        """() => {
          const type = (name, text) => {
            const control = document.querySelector(`[name="${name}"]`);
            control.value = text;
            control.dispatchEvent(new Event("input", { bubbles: true }));
          };
          type("payload/to", "ops");
          type("payload", '{"n": 5}');
        }"""
    )
    await expect(page.locator("[name='payload/n']")).to_have_value("5")
    await expect(editor).to_have_value(re.compile('"n": 5,\\s+"to": "ops"'))
    await expect(to).to_have_value("ops")
