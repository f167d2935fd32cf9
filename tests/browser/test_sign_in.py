"""The way into the console: by a key, by a link of another site, and the end of a session with its key."""

from typing import Any

from playwright.async_api import BrowserContext, Page, expect

from browser.console import KEY, Console, axe_violations

WEBMAIL = "http://localhost:1/"  # another site than 127.0.0.1


async def _follow_link_in_webmail(context: BrowserContext, url: str) -> Page:
    async def answer(route: Any) -> None:
        await route.fulfill(body=f'<!doctype html><a href="{url}">See the runs</a>', content_type="text/html")

    await context.route(f"{WEBMAIL}**", answer)
    page = await context.new_page()
    await page.goto(WEBMAIL)
    await page.get_by_role("link").click()
    return page


async def test_a_link_in_a_webmail_finds_the_session_of_the_browser(console: Console) -> None:
    url = f"{console.url}/console/runs?status=dead_lettered&q=a%26b"
    page = await _follow_link_in_webmail(await console.context(), url)
    await expect(page).to_have_url(url)
    without_script = await console.context(java_script_enabled=False)
    await expect(await _follow_link_in_webmail(without_script, url)).to_have_url(url)


async def test_a_link_in_a_webmail_leads_to_the_sign_in_without_a_session(console: Console) -> None:
    page = await _follow_link_in_webmail(await console.context(key=None), f"{console.url}/console/jobs?status=paused")
    await page.get_by_label("Key").fill(KEY)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{console.url}/console/jobs?status=paused")


async def test_a_reader_signs_in_by_key_and_returns_to_the_page_of_the_link(console: Console) -> None:
    console.expected = {401}
    page = await console.page("/console/jobs?status=paused", key=None, color_scheme="dark")
    assert await axe_violations(page) == []
    await page.get_by_label("Key").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not valid")
    assert await axe_violations(page) == []
    await page.get_by_label("Key").fill(KEY)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{console.url}/console/jobs?status=paused")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Key")).to_be_visible()


async def test_a_form_that_is_sent_after_the_session_has_ended_is_sent_again(console: Console) -> None:
    console.expected = {401}
    context = await console.context(viewport={"width": 360, "height": 740})
    page = await context.new_page()
    await page.goto("/console/new-job")
    await page.get_by_label("Name", exact=True).fill("typed for long")
    await page.get_by_label("Payload (JSON)").fill('{\n  "n": 1\n}')
    await context.clear_cookies()
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    assert await axe_violations(page) == []
    await _sign_in_elsewhere(console, page)
    await page.get_by_role("button", name="Send it again").click()
    await expect(page.get_by_role("heading", name="typed for long")).to_be_visible()


async def _sign_in_elsewhere(console: Console, page: Page) -> None:
    """Sign in in the new tab to which the page leads."""
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Sign in").click()
    other = await opened.value
    await other.get_by_label("Key").fill(KEY)
    await other.get_by_role("button", name="Sign in").click()
    await expect(other).to_have_url(f"{console.url}/console")


async def test_a_form_that_is_too_large_to_keep_is_sent_by_a_reload(console: Console) -> None:
    console.expected = {401}
    context = await console.context()
    page = await context.new_page()
    await page.goto("/console/new-job")
    await page.get_by_label("Name", exact=True).fill("typed for longer")
    await page.get_by_label("Payload (JSON)").fill('{"text": "' + "{" * 60_000 + '"}')
    await context.clear_cookies()
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_text("load this page again")).to_be_visible()
    assert await axe_violations(page) == []
    await _sign_in_elsewhere(console, page)
    await page.reload()
    await expect(page.get_by_role("heading", name="typed for longer")).to_be_visible()
