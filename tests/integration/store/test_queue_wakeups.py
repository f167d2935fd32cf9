"""Moves of `wake_at` by the resume of a queue: how many runs one step wakes."""

from duebook_common.store.database import Pool
from duebook_common.store.queue_wakeups import _WAKE_QUEUES, wake_queues
from support.bookkeeping import NOW, dispatched
from support.query_cost import grow_table, query_cost
from support.samples import DAY

LATER = NOW + 1000 * DAY


async def test_a_resume_wakes_no_more_runs_while_those_awake_wait(pool: Pool) -> None:
    await dispatched(pool)
    await grow_table(pool, "runs", 5_000)
    await pool.execute(
        "UPDATE runs SET status = 'waiting', wake_at = $1::timestamptz - priority * interval '1 m'", LATER
    )
    await pool.execute("VACUUM ANALYZE runs")
    found = await query_cost(pool, _WAKE_QUEUES, ["default"], [LATER + DAY], NOW, 10)
    assert not found.scans
    assert found.buffers <= 1_000
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE wake_at = $1", NOW) == 10
    async with pool.acquire() as db:
        assert await wake_queues(db, {"default": LATER}, NOW, 10) == (0, {"default": LATER})
        await pool.execute("UPDATE runs SET wake_at = $1 WHERE wake_at = $2", LATER + DAY, NOW)
        assert await wake_queues(db, {"default": LATER}, NOW, 10_000) == (4_991, {}), (
            "what goes on waiting is not woken again"
        )


async def test_a_thaw_wakes_the_runs_of_all_queues_by_one_statement(pool: Pool) -> None:
    await dispatched(pool)
    await grow_table(pool, "runs", 40)
    await pool.execute("UPDATE runs SET status = 'waiting', wake_at = $1, queue = 'queue-' || priority", LATER)
    queues = {f"queue-{n}": LATER for n in range(10)}
    async with pool.acquire() as db:
        assert await wake_queues(db, queues, NOW, 10) == (41, {f"queue-{n}": LATER for n in range(4)})
