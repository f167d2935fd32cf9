"""A browser on an api with example data. Its console must stay quiet, and no request may leave the origin."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from docs.pictures.example import write_example
from duebook_devstack.ports import free_port
from support.api_process import api_process, wait_until_ready
from support.chromium import chromium
from support.servers import ServerInfo, create_database, drop_database, session_dir

AXE = Path(__file__).with_name("axe") / "axe.min.js"
KEY = "the-key-of-the-environment-0123456789"


@dataclass
class Console:
    """Pages in the browser, and what they have done wrong."""

    url: str
    http: httpx2.AsyncClient
    browser: Browser
    jobs: dict[str, str]
    faults: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    async def context(self, **options: Any) -> BrowserContext:
        context = await self.browser.new_context(base_url=self.url, timezone_id="Europe/Berlin", **options)
        context.on("page", self._watch)
        await context.route(lambda url: urlsplit(url).netloc != urlsplit(self.url).netloc, self._refuse)
        return context

    async def page(self, path: str = "/console", **options: Any) -> Page:
        page = await (await self.context(**options)).new_page()
        await page.goto(path)
        return page

    def _watch(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))

    def _on_console(self, message: Any) -> None:
        answered = any(f"status of {status} " in message.text for status in self.expected)
        if message.type in {"error", "warning"} and not answered:
            self.faults.append(f"{message.location.get('url')}: {message.text}")

    async def _refuse(self, route: Any) -> None:
        self.faults.append(f"a request left the origin: {route.request.url}")
        await route.abort()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    with (session_dir() / "chromium.lock").open("w") as lock:  # workers install it one after the other
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = chromium()
    if path is None:
        pytest.skip("Chromium was not found, and is installed only by root on a machine with apt-get: install chromium")
    return path


@pytest.fixture(scope="session")
def _example(_postgres: ServerInfo) -> tuple[str, dict[str, str]]:
    """A database with the example data, which tests copy: writing it takes seconds. And the ids of its jobs by name."""
    name = f"test_example_{uuid4().hex}"
    url = asyncio.run(create_database(_postgres, name, empty=False))
    return name, {name: str(id_) for name, id_ in asyncio.run(write_example(url)).items()}


@pytest.fixture
async def example_url(_postgres: ServerInfo, _example: tuple[str, dict[str, str]]) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    yield await create_database(_postgres, name, empty=False, template=_example[0])
    await drop_database(_postgres, name)


@pytest.fixture
async def open_console(postgres_url: str, chromium_path: str) -> AsyncIterator[Callable[..., Awaitable[Console]]]:
    """Start an api with these settings and a browser."""
    async with AsyncExitStack() as stack:
        consoles = list[Console]()

        async def start(postgres_url: str, jobs: dict[str, str] | None = None, **settings: str) -> Console:
            port = free_port()
            _, http = await stack.enter_async_context(api_process(postgres_url, port, **settings))
            await wait_until_ready(http)
            playwright = await stack.enter_async_context(async_playwright())
            browser = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
            stack.push_async_callback(browser.close)
            consoles.append(Console(f"http://127.0.0.1:{port}", http, browser, jobs or {}))
            return consoles[-1]

        yield start
        assert [fault for console in consoles for fault in console.faults] == []


@pytest.fixture
async def console(
    open_console: Callable[..., Awaitable[Console]], example_url: str, _example: tuple[str, dict[str, str]]
) -> Console:
    """The console of an installation with example data, without keys."""
    return await open_console(example_url, _example[1])


async def axe_violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = await page.evaluate("tags => axe.run(document, {runOnly: tags})", tags)
    return [
        f"{page.url}: {each['id']}: {each['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]
