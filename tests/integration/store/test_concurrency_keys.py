"""Which keys waiting runs have, and which runs hold a slot."""

from duebook_common.domain.definition import Concurrency
from duebook_common.store import concurrency_keys
from duebook_common.store.concurrency_keys import key_holders, keys_of_waiting
from duebook_common.store.database import Pool
from support.bookkeeping import dispatched
from support.query_cost import grow_table, query_cost

KEY = Concurrency("k", 1)
_SET_STATUS = "UPDATE runs SET status = $2, wake_at = clock_timestamp() WHERE run_id = $1"


async def test_the_keys_of_waiting_runs_are_those_of_the_given_jobs(pool: Pool) -> None:
    first, _ = await dispatched(pool, concurrency=KEY), await dispatched(pool, concurrency=Concurrency("other", 1))
    without = await dispatched(pool)
    async with pool.acquire() as db:
        assert await keys_of_waiting(db, [first.job_id, without.job_id]) == (["k"], [])


async def test_waiting_runs_and_dead_letters_hold_no_slot(pool: Pool) -> None:
    statuses = ("waiting", "dispatched", "running", "retrying", "dead_lettered")
    for status in statuses:
        await pool.execute(_SET_STATUS, (await dispatched(pool, concurrency=KEY)).id, status)
    async with pool.acquire() as db:
        assert await key_holders(db, ["k", "unknown"]) == {"k": 3, "unknown": 0}


async def test_the_holders_are_counted_without_the_runs_that_wait(pool: Pool) -> None:
    """Each admission counts them under the lock of the key."""
    run = await dispatched(pool, concurrency=KEY)
    await pool.execute(_SET_STATUS, run.id, "waiting")
    await grow_table(pool, "runs", 5_000)
    await pool.execute(_SET_STATUS, run.id, "running")
    cost = await query_cost(pool, concurrency_keys._HOLDERS, ["k"])
    assert cost.indexes == {"runs_holding"}
    assert cost.buffers < 10
