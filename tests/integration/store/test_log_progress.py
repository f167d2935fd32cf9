"""The age of the horizon, also where PostgreSQL does not show the transaction that holds it."""

from uuid import UUID

import asyncpg

from duebook_common.domain.job.events import JobPaused
from duebook_common.store.database import Pool, acquire, transaction
from duebook_common.store.eventstore import Write, append, tail
from duebook_common.store.log_progress import Horizon
from support import servers
from support.bookkeeping import NOW, eventually

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
