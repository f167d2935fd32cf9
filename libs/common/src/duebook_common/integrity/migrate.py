"""`duebook migrate`: bring the schema up to date. Processes that do it at the same time wait for one of them."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from importlib.resources import files

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from duebook_common.store.database import UNAVAILABLE

_LOCK = text("SELECT pg_advisory_xact_lock(7237, 0)")


_PAUSE = 0.5  # seconds between two questions to a server that does not answer


def migrate(url: str, wait: timedelta = timedelta(0), waiting: Callable[[Exception], None] = lambda _: None) -> None:
    """Apply every missing revision, all in one transaction; raises the errors of PostgreSQL, asyncpg and Alembic.

    A server that does not answer yet is given the time `wait`; `waiting` is told the first error.
    """
    asyncio.run(_migrate(url, wait, waiting))


async def _migrate(url: str, wait: timedelta, waiting: Callable[[Exception], None]) -> None:
    await _await_answer(url, wait, waiting)
    # asyncpg reads the URL itself, because SQLAlchemy would not understand `?sslmode=`.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    try:
        async with engine.begin() as db:
            await db.execute(_LOCK)
            await db.run_sync(_upgrade)
    finally:
        await engine.dispose()


async def _await_answer(url: str, wait: timedelta, waiting: Callable[[Exception], None]) -> None:
    """Wait until the server accepts a connection; raises its error if it does not in time, or refuses."""
    end, announced = time.monotonic() + wait.total_seconds(), False
    while True:
        try:
            db = await asyncpg.connect(url)
        except UNAVAILABLE as error:
            if time.monotonic() >= end:
                raise
            if not announced:
                waiting(error)
            announced = True
        else:
            return await db.close()
        await asyncio.sleep(_PAUSE)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("duebook_common.integrity") / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
