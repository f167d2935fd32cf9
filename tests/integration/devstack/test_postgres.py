"""PostgreSQL of the local stack: crash, wipe and privileges."""

import asyncpg
import pytest

from duebook_devstack.postgres import Postgres


async def test_postgres_keeps_its_data_over_a_crash(private_postgres: Postgres) -> None:
    await execute(private_postgres.url, "CREATE TABLE kept (id int)")
    private_postgres.kill()
    private_postgres.start()
    assert await execute(private_postgres.url, "INSERT INTO kept VALUES (1)") == "INSERT 0 1"


async def test_the_role_duebook_is_not_a_superuser(postgres_url: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(postgres_url, "COPY pg_class TO '/tmp/x'")


async def test_a_wiped_postgres_is_empty(private_postgres: Postgres) -> None:
    await execute(private_postgres.url, "CREATE TABLE lost (id int)")
    private_postgres.wipe()
    with pytest.raises(asyncpg.UndefinedTableError):
        await execute(private_postgres.url, "SELECT FROM lost")


async def execute(url: str, statement: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.execute(statement))
    finally:
        await connection.close()
