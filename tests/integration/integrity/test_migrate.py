"""The first process brings the schema up to date, with the rights of the database's owner."""

import asyncio
import sys

import asyncpg
import pytest

from duebook_common.integrity.migrate import migrate

_SCHEMA = """
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""


async def fetch(url: str, query: str) -> list[tuple[object, ...]]:
    db = await asyncpg.connect(url)
    try:
        return [tuple(record) for record in await db.fetch(query)]
    finally:
        await db.close()


async def test_six_migrations_at_once_apply_the_schema_once(empty_postgres_url: str, postgres_url: str) -> None:
    program = "import sys; from duebook_common.integrity.migrate import migrate; migrate(sys.argv[1])"
    start = asyncio.create_subprocess_exec
    running = [await start(sys.executable, "-c", program, empty_postgres_url) for _ in range(6)]
    assert await asyncio.gather(*(process.wait() for process in running)) == [0] * 6
    assert await fetch(empty_postgres_url, _SCHEMA) == await fetch(postgres_url, _SCHEMA)
    assert len(await fetch(empty_postgres_url, "SELECT * FROM alembic_version")) == 1


async def test_a_second_migration_changes_nothing(postgres_url: str) -> None:
    catalogue = "SELECT oid, xmin::text, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY oid"
    before = await fetch(postgres_url, catalogue)
    await asyncio.to_thread(migrate, postgres_url)
    assert await fetch(postgres_url, catalogue) == before


async def test_migrating_needs_only_the_rights_of_the_databases_owner(empty_postgres_url: str) -> None:
    rights = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    assert await fetch(empty_postgres_url, rights) == [(False, False, False, False)]
    await asyncio.to_thread(migrate, empty_postgres_url)
    assert await fetch(empty_postgres_url, "SELECT count(*) FROM events") == [(0,)]


async def test_a_failed_migration_changes_nothing(empty_postgres_url: str) -> None:
    await fetch(empty_postgres_url, "CREATE TABLE checkpoints ()")
    with pytest.raises(Exception, match="checkpoints"):
        await asyncio.to_thread(migrate, empty_postgres_url)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert await fetch(empty_postgres_url, tables) == [("checkpoints",)]
