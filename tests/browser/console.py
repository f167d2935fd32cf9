"""The console in a browser: pages of a reader who is signed in, and what they have done wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, expect

from duebook_api.access.session_cookie import NAME
from duebook_devstack.plain_http import WITHOUT_TLS
from support.console import FORM

AXE = Path(__file__).with_name("axe") / "axe.min.js"
KEY = "the-key-of-the-environment-0123456789"
LIVE_MS = 30_000.0  # milliseconds, for what comes over the live stream
_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@dataclass
class Console:
    """An api, its database, the ids of its jobs by name, and a browser. `http` has the key with all scopes."""

    url: str
    http: httpx2.AsyncClient
    browser: Browser
    jobs: dict[str, str]
    postgres_url: str
    faults: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)
    contexts: list[BrowserContext] = field(default_factory=list)

    def of_one_test(self) -> Self:
        """The same console, with faults and contexts of its own."""
        return replace(self, faults=[], expected=set(), contexts=[])

    async def context(self, key: str | None = KEY, **options: Any) -> BrowserContext:
        """A browser of its own, signed in with the key unless that is None."""
        context = await self.browser.new_context(base_url=self.url, timezone_id="Europe/Berlin", **options)
        self.contexts.append(context)
        context.on("page", self._watch)
        await context.route(lambda url: urlsplit(url).netloc != urlsplit(self.url).netloc, self._refuse)
        if key is not None:
            token = await self.session(key)
            await context.add_cookies([{"name": NAME, "value": token, "url": self.url, "sameSite": "Strict"}])
        return context

    async def page(self, path: str = "/console", key: str | None = KEY, **options: Any) -> Page:
        page = await (await self.context(key, **options)).new_page()
        await page.goto(path)
        return page

    async def key(self, *scopes: str) -> str:
        """A new key with these scopes."""
        body = {"name": " ".join(scopes), "scopes": scopes}
        answer = await self.http.post("/api/key", json=body)
        return str(answer.raise_for_status().json()["key"])

    async def close(self) -> None:
        """Close what the test has opened; no page may have complained, and none may have asked another host."""
        for context in self.contexts:
            await context.close()
        assert "\n".join(self.faults) == ""

    async def session(self, key: str) -> str:
        """The cookie of a new session."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=60, verify=WITHOUT_TLS) as http:
            answer = await http.post("/console/sign-in", data={"key": key, "next": "/console"}, headers=FORM)
            return answer.cookies[NAME]

    def _watch(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("dialog", lambda dialog: self.faults.append(f"{page.url}: a script says {dialog.message}"))

    def _on_console(self, message: Any) -> None:
        answered = any(f"status of {status} " in message.text for status in self.expected)
        if message.type in {"error", "warning"} and not answered:
            self.faults.append(f"{message.location.get('url')}: {message.text}")

    async def _refuse(self, route: Any) -> None:
        self.faults.append(f"a request left the origin: {route.request.url}")
        await route.abort()


def is_refresh(request: Request) -> bool:
    return "x-live" in request.headers


async def is_live(page: Page) -> None:
    """Wait until the page is told what changes from now on."""
    await expect(page.locator("live-switch button")).to_have_attribute("data-state", "on", timeout=LIVE_MS)


async def dialog_of(link: Locator) -> Locator:
    """The dialog that the link opens. Before its scripts are loaded a page leads to the form instead."""
    await link.wait_for()
    await link.page.wait_for_load_state()
    await link.click()
    return link.page.get_by_role("dialog")


async def axe_violations(page: Page, rules: Iterable[str] = ()) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA, or by these rules only."""
    if not await page.evaluate("() => 'axe' in globalThis"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    run_only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": list(_TAGS)}
    options = {"runOnly": run_only, "resultTypes": ["violations"]}
    found = await page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{page.url}: {each['id']}: {each['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]
