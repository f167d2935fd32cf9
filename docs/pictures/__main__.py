"""`python -m docs.pictures`: start an api on example data, and draw its pages with Chromium into `docs/images`."""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from docs.pictures.browser import IMAGES, draw
from docs.pictures.example import write_example
from docs.pictures.mail import mail_html
from docs.pictures.pages import pages
from docs.pictures.surroundings import announce
from duebook_common.integrity.migrate import migrate
from duebook_common.store.database import Pool, connect
from duebook_devstack.ports import free_port
from duebook_devstack.postgres import Postgres
from duebook_devstack.stack_dir import StackDir

KEY = "the-key-of-these-pictures-0123456789"


async def _serve_and_draw(postgres: str) -> None:
    jobs = {name: str(id_) for name, id_ in (await write_example(postgres)).items()}
    async with connect(postgres, "pictures", 2) as pool, _api(postgres) as url, _alive(pool):
        ids = await _ids(pool)
        await draw(url, KEY, pages(jobs, ids), await mail_html(pool, ids["dead"]))


async def _ids(pool: Pool) -> Mapping[str, str]:
    """The ids of what pages are about, besides jobs."""
    queries = {
        "dead": "SELECT run_id FROM runs WHERE status = 'dead_lettered' AND job_name = 'charge invoices' LIMIT 1",
        "retried": "SELECT run_id FROM runs WHERE status = 'succeeded' AND attempt = 3 AND queue = 'default' LIMIT 1",
        "bulk": "SELECT bulk_id FROM bulk_operations WHERE status = 'running' LIMIT 1",
        "executor": "SELECT split_part(executor, '/', 2) FROM executors WHERE host = 'worker-2'",
    }
    return {name: str(await pool.fetchval(query)) for name, query in queries.items()}


@asynccontextmanager
async def _api(postgres: str) -> AsyncIterator[str]:
    port = free_port()
    environment = {
        **os.environ,
        "DUEBOOK_POSTGRES_URL": postgres,
        "DUEBOOK_REDIS_URL": "redis://127.0.0.1:1/0",
        "DUEBOOK_PORT": str(port),
        "DUEBOOK_API_KEY": KEY,
    }
    command = (sys.executable, "-m", "duebook_api")
    api = await asyncio.create_subprocess_exec(*command, env=environment, stderr=DEVNULL, stdout=DEVNULL)
    try:
        await _await_ready(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        api.terminate()
        await api.wait()


@asynccontextmanager
async def _alive(pool: Pool) -> AsyncIterator[None]:
    """Executors and services seem to run while the pictures are drawn."""

    async def renew() -> None:
        while True:
            await announce(pool, datetime.now(UTC))
            await asyncio.sleep(5)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing


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
