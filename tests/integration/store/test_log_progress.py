"""The age of the horizon, also where PostgreSQL does not show the transaction that holds it."""

import asyncio
from uuid import UUID

import asyncpg

from duebook_common.domain.job.events import JobPaused
from duebook_common.integrity.migrate import migrate
from duebook_common.store.database import Pool, acquire, connect, transaction
from duebook_common.store.eventstore import Write, append, tail
from duebook_common.store.log_progress import Horizon
from duebook_devstack.postgres import Postgres
from support import servers
from support.bookkeeping import NOW, eventually, past_horizon

_PREPARED_FOR = "SELECT extract(epoch FROM clock_timestamp() - prepared)::float8 FROM pg_prepared_xacts"
_SINCE = "SELECT xact_start FROM pg_stat_activity WHERE backend_xid = $1::text::xid"


async def feed(pool: Pool) -> list[str]:
    async with acquire(pool) as db:
        return [recorded.stream for recorded in (await tail(db, 0, 0, 10)).events]


async def test_another_roles_transaction_in_another_database_holds_the_feed(pool: Pool) -> None:
    horizon = Horizon()
    other = await asyncpg.connect(servers.shared_postgres()["superuser_url"])
    assert await other.fetchval("SELECT current_database()") != await pool.fetchval("SELECT current_database()")
    async with other.transaction():
        xid = await other.fetchval("SELECT pg_current_xact_id()")
        async with transaction(pool) as db:
            assert not await append(db, [Write("held", 0, [JobPaused(reason=None, at=NOW)], UUID(int=1))])
        assert await feed(pool) == []
        assert await pool.fetchval(_SINCE, str(xid)) is None, "PostgreSQL hides when it began"

        async def noticed() -> bool:
            async with acquire(pool) as db:
                return await horizon.age(db) > 0.5

        await eventually(noticed)
        assert await feed(pool) == []
    await other.close()

    async def handed_out() -> bool:
        return await feed(pool) == ["held"]

    await eventually(handed_out)


async def test_a_prepared_transaction_holds_the_feed_and_shows_its_age(private_postgres: Postgres) -> None:
    """It has no session: an operator finds it by the query of the runbook only, and ends it by its name."""
    superuser = await asyncpg.connect(private_postgres.superuser_url)
    await superuser.execute("ALTER SYSTEM SET max_prepared_transactions = 1")
    await superuser.close()
    await asyncio.to_thread(private_postgres.restart)
    await asyncio.to_thread(migrate, private_postgres.url)
    other = await asyncpg.connect(private_postgres.superuser_url)
    await other.execute("BEGIN; CREATE TABLE half_done (); PREPARE TRANSACTION 'half done'")
    async with connect(private_postgres.url, "test") as pool:
        async with transaction(pool) as db:
            assert not await append(db, [Write("held", 0, [JobPaused(reason=None, at=NOW)], UUID(int=1))])
        async with acquire(pool) as db:
            prepared_for = await other.fetchval(_PREPARED_FOR)
            assert await Horizon().age(db) >= prepared_for > 0, "at the first look, as PostgreSQL hides no prepared one"
        assert await feed(pool) == []
        await other.execute("ROLLBACK PREPARED 'half done'")
        await past_horizon(pool)
        assert await feed(pool) == ["held"]
    await other.close()
