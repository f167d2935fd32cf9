"""Moves of `wake_at` in the lines of rates: what they move, and what they leave alone."""

from duebook_common.domain.definition import Rate
from duebook_common.store.database import Pool
from duebook_common.store.rate_wakeups import park_line
from support.bookkeeping import NOW, dispatched
from support.samples import DAY, MINUTE


async def test_runs_behind_a_long_line_sleep_for_minutes_or_until_their_deadline(pool: Pool) -> None:
    rate = Rate("k", 1, DAY)
    free, hasty = [await dispatched(pool, rate=rate) for _ in range(2)]
    await pool.execute("UPDATE runs SET status = 'waiting', wake_at = $1, start_by = NULL", NOW)
    await pool.execute("UPDATE runs SET start_by = $2 WHERE run_id = $1", hasty.id, NOW + MINUTE)
    async with pool.acquire() as db:
        await park_line(db, "k", NOW, [], 10)
    times = {record["run_id"]: record["wake_at"] for record in await pool.fetch("SELECT run_id, wake_at FROM runs")}
    assert times[hasty.id] == NOW + MINUTE
    assert NOW + 5 * MINUTE <= times[free.id] <= NOW + 10 * MINUTE
