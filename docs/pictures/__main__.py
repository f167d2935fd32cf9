"""`python -m docs.pictures`: start an api on example data, and draw its pages with Chromium into `docs/images`."""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL
from pathlib import Path

import httpx2
from playwright.async_api import Browser, async_playwright

from docs.pictures.example import write_example
from duebook_common.integrity.migrate import migrate
from duebook_devstack.ports import free_port
from duebook_devstack.postgres import Postgres
from duebook_devstack.stack_dir import StackDir

IMAGES = Path(__file__).parents[1] / "images"
_CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_SIZE = {"width": 1440, "height": 900}


async def draw(url: str, jobs: dict[str, str]) -> None:
    """One picture of each page; of the overview one in each theme."""
    job = jobs["nightly report"]
    pages = [
        ("overview", "/console", "light"),
        ("overview-dark", "/console", "dark"),
        ("jobs", "/console/jobs", "light"),
        ("job", f"/console/jobs/{job}", "light"),
        ("job-day", f"/console/jobs/{job}?day=2026-08-05", "dark"),
        ("runs", "/console/runs", "light"),
        ("dead-letters", "/console/dead-letters", "light"),
        ("queues", "/console/queues", "light"),
        ("events", "/console/events", "light"),
        ("system", "/console/system", "light"),
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        for name, path, theme in pages:
            await _picture(browser, url + path, name, theme)
        await browser.close()


async def _picture(browser: Browser, url: str, name: str, theme: str) -> None:
    """Left out if the console has no such page."""
    context = await browser.new_context(viewport=_SIZE, color_scheme=theme, timezone_id="Europe/Berlin")  # type: ignore[arg-type]
    await context.add_cookies([{"name": "duebook_own_tz", "value": "Europe/Berlin", "url": url}])
    page = await context.new_page()
    answer = await page.goto(url)
    if answer is not None and answer.ok:
        await page.wait_for_timeout(500)  # the forecast is computed aside
        await page.reload()
        await page.screenshot(path=IMAGES / f"{name}.png")
    await context.close()


async def _serve_and_draw(postgres: str) -> None:
    jobs = {name: str(id_) for name, id_ in (await write_example(postgres)).items()}
    port = free_port()
    environment = {
        **os.environ,
        "DUEBOOK_POSTGRES_URL": postgres,
        "DUEBOOK_REDIS_URL": "redis://127.0.0.1:1/0",
        "DUEBOOK_PORT": str(port),
        "DUEBOOK_AUTH": "off",
    }
    command = (sys.executable, "-m", "duebook_api")
    api = await asyncio.create_subprocess_exec(*command, env=environment, stderr=DEVNULL, stdout=DEVNULL)
    try:
        await _await_ready(f"http://127.0.0.1:{port}")
        await draw(f"http://127.0.0.1:{port}", jobs)
    finally:
        api.terminate()
        await api.wait()


async def _await_ready(url: str) -> None:
    async with httpx2.AsyncClient(base_url=url) as http, asyncio.timeout(60):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)  # the account of the server may pass through
        server = Postgres(StackDir(Path(directory) / "stack"), no_fsync=True)
        server.start()
        try:
            migrate(server.url)
            asyncio.run(_serve_and_draw(server.url))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
