"""One browser, and an api with example data and one without: all tests of a worker share them, and nothing else.

A console must stay quiet, and no request may leave the origin: each test ends with that.
"""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from browser.console import KEY, LIVE_MS, Console
from docs.pictures.example import write_example
from duebook_devstack.ports import free_port
from support.api_process import api_process, wait_until_ready
from support.chromium import chromium
from support.servers import TEMPLATE, ServerInfo, create_database, drop_database, session_dir, shared

_EXAMPLE = "example"  # a database
expect.set_options(timeout=LIVE_MS)  # a machine may be slow


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What all tests share lives in one event loop, so they run in that."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    with (session_dir() / "chromium.lock").open("w") as lock:  # workers install it one after the other
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = chromium()
    if path is None:
        pytest.skip("Chromium was not found, and is installed only by root on a machine with apt-get: install chromium")
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        await browser.close()


def _example(postgres: ServerInfo) -> dict[str, str]:
    """The ids of the jobs of the example, by name. It is written once, into a template for the databases of workers."""

    def write(_: Path) -> dict[str, str]:
        jobs = asyncio.run(write_example(create_database(postgres, _EXAMPLE)))
        return {job: str(id_) for job, id_ in jobs.items()}

    return shared("example", write)


@asynccontextmanager
async def _console(
    postgres: ServerInfo, browser: Browser, template: str = TEMPLATE, jobs: Mapping[str, str] | None = None
) -> AsyncIterator[Console]:
    """An api on a database of its own; it needs a key."""
    name, port = f"test_{uuid4().hex}", free_port()
    url = await asyncio.to_thread(create_database, postgres, name, template)
    settings = {"DUEBOOK_AUTH": "required", "DUEBOOK_API_KEY": KEY}
    async with api_process(url, port, **settings) as (_, http):
        http.headers["Authorization"] = f"Bearer {KEY}"
        await wait_until_ready(http)
        yield Console(f"http://127.0.0.1:{port}", http, browser, dict(jobs or {}), url)
    await asyncio.to_thread(drop_database, postgres, name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _full(_postgres: ServerInfo, browser: Browser) -> AsyncIterator[Console]:
    jobs = await asyncio.to_thread(_example, _postgres)
    async with _console(_postgres, browser, _EXAMPLE, jobs) as console:
        yield console


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _empty(_postgres: ServerInfo, browser: Browser) -> AsyncIterator[Console]:
    async with _console(_postgres, browser) as console:
        yield console


@pytest_asyncio.fixture(loop_scope="session")
async def console(_full: Console) -> AsyncIterator[Console]:
    """The console of the installation with example data, which tests share: each changes what no other looks at."""
    yield (console := _full.of_one_test())
    await console.close()


@pytest_asyncio.fixture(loop_scope="session")
async def empty_console(_empty: Console) -> AsyncIterator[Console]:
    """The console of an installation in which nothing was ever done; tests leave it so."""
    yield (console := _empty.of_one_test())
    await console.close()


@pytest_asyncio.fixture(loop_scope="session")
async def new_console(_postgres: ServerInfo, browser: Browser) -> AsyncIterator[Console]:
    """The console of an empty installation of this test's own."""
    async with _console(_postgres, browser) as console:
        yield console
        await console.close()
