"""A logical copy leaves the sequence of positions at its start: that is noticed, and mended without moving an event."""

from duebook_common.integrity.rebase_log import RebaseSummary, rebase_log
from duebook_common.store.database import Pool, acquire
from duebook_common.store.log_origin import parts_ahead
from support.bookkeeping import created

_POSITIONS = "SELECT array_agg(position ORDER BY xid, position) FROM events"


async def test_positions_go_on_after_those_of_a_copy(pool: Pool) -> None:
    for _ in range(3):
        await created(pool)
    await pool.execute("SELECT setval('events_position_seq', 1)")
    async with acquire(pool) as db:
        assert await parts_ahead(db) == ["positions"]
        assert await rebase_log(pool) == RebaseSummary()
        assert await parts_ahead(db) == []
    await created(pool)
    assert await pool.fetchval(_POSITIONS) == [1, 2, 3, 4]
