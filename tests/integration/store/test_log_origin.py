"""A logical copy leaves the sequence of positions at its start: that is noticed, and mended without moving an event."""

import asyncio

from duebook_common.integrity.rebase_log import RebaseSummary, rebase_log
from duebook_common.runtime.health import Health
from duebook_common.store.database import Clock, Pool, acquire
from duebook_common.store.log_origin import parts_ahead
from duebook_common.store.startup import open_database
from support.bookkeeping import created

_POSITIONS = "SELECT array_agg(position ORDER BY xid, position) FROM events"


async def test_positions_go_on_after_those_of_a_copy(pool: Pool) -> None:
    for _ in range(3):
        await created(pool)
    await pool.execute("SELECT setval('events_position_seq', 1)")
    async with acquire(pool) as db:
        assert await parts_ahead(db) == ["positions"]
        assert await rebase_log(pool) == RebaseSummary(sequences=1)
        assert await parts_ahead(db) == []
    await created(pool)
    assert await pool.fetchval(_POSITIONS) == [1, 2, 3, 4]


async def test_a_service_does_not_start_while_events_would_get_positions_of_others(
    pool: Pool, postgres_url: str
) -> None:
    for _ in range(3):
        await created(pool)
    await pool.execute("SELECT setval('events_position_seq', 1)")
    health = Health()

    async def open_and_close() -> None:
        async with open_database(health, postgres_url, "test", Clock()):
            pass

    starting = asyncio.create_task(open_and_close())
    async with asyncio.timeout(60):
        while "duebook rebase-log" not in health.waiting.get("postgres", ""):
            assert not starting.done()
            await asyncio.sleep(0.01)
        await rebase_log(pool)
        await starting
