"""The first process brings the schema up to date, with the rights of the database's owner."""

import asyncio
import sys
from datetime import timedelta

import asyncpg
import pytest

from duebook_common.integrity.migrate import migrate
from duebook_devstack.postgres import Postgres

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


async def test_each_table_that_grows_or_changes_says_when_it_is_vacuumed(postgres_url: str) -> None:
    """The others have few rows, which seldom change. The default would be a fifth of the rows, of any number."""
    by_default = """
        SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND NOT coalesce(reloptions::text ~ 'autovacuum_vacuum_(insert_)?scale_factor', false)
    """
    few = {"alembic_version", "bulk_operations", "erasures", "keys", "notifier_settings", "periods", "queue_pauses"}
    found = await fetch(postgres_url, by_default)
    assert {name for (name,) in found} == few | {
        "archives",
        "day_claims",
        "day_lines",
        "departed_acts",
        "departed_days",
        "queues",
        "schema_programs",
        "sessions",
        "tasks",
    }


async def test_no_analyze_sorts_json(postgres_url: str) -> None:
    """Each sorts a sample of thirty thousand values of each column that has statistics."""
    of_json = """
        SELECT relname, attname, attstattarget FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND atttypid = 'jsonb'::regtype
    """
    await fetch(postgres_url, "SELECT open_period('2100-01-01')")
    found = await fetch(postgres_url, of_json)
    assert ("events_210001010000", "data", 0) in found
    assert [column for column in found if column[2] != 0] == []


async def test_a_failed_migration_changes_nothing(empty_postgres_url: str) -> None:
    await fetch(empty_postgres_url, "CREATE TABLE checkpoints ()")
    with pytest.raises(Exception, match="checkpoints"):
        await asyncio.to_thread(migrate, empty_postgres_url)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert await fetch(empty_postgres_url, tables) == [("checkpoints",)]


async def test_a_migration_waits_for_a_server_that_starts(private_postgres: Postgres) -> None:
    private_postgres.stop()
    started: list[Exception] = []

    def waiting(error: Exception) -> None:
        started.append(error)
        private_postgres.start()

    await asyncio.to_thread(migrate, private_postgres.url, timedelta(minutes=1), waiting)
    assert len(started) == 1
    assert await fetch(private_postgres.url, "SELECT count(*) FROM events") == [(0,)]


async def test_a_migration_waits_in_vain_for_its_time_only(private_postgres: Postgres) -> None:
    private_postgres.stop()
    with pytest.raises(OSError):
        await asyncio.to_thread(migrate, private_postgres.url, timedelta(0))


async def test_a_migration_does_not_wait_for_a_server_that_refuses(empty_postgres_url: str) -> None:
    refusals: list[Exception] = []
    wrong = empty_postgres_url.replace(":", ":not-", 2).replace(":not-", ":", 1)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncio.to_thread(migrate, wrong, timedelta(minutes=1), refusals.append)
    assert refusals == []
