"""`duebook migrate`: bring the schema up to date. Processes that do it at the same time wait for one of them."""

import asyncio
from importlib.resources import files

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_LOCK = text("SELECT pg_advisory_xact_lock(7237, 0)")


def migrate(url: str) -> None:
    """Apply every missing revision, all in one transaction; raises the errors of PostgreSQL, asyncpg and Alembic."""
    asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
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


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("duebook_common.integrity") / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
