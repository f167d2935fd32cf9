"""How many runs are in which state: what the count of many dead letters costs."""

from duebook_api.state import run_counts
from duebook_common.store.database import Clock, Pool
from support.bookkeeping import dispatched
from support.query_cost import grow_table, query_cost

ROWS, BUFFERS = 20_000, 500  # the rows lie in more than a thousand pages


async def test_dead_letters_are_counted_without_their_rows(pool: Pool) -> None:
    await dispatched(pool)
    await grow_table(pool, "runs", ROWS)
    await pool.execute("UPDATE runs SET status = 'dead_lettered', wake_at = NULL, finished_at = now()")
    await pool.execute("VACUUM ANALYZE runs")
    [counted] = await run_counts._read(pool, Clock())
    oldest = await pool.fetchval("SELECT min(finished_at) FROM runs")
    assert (counted.state, counted.runs, counted.oldest, counted.first_died) == (
        "dead_lettered",
        ROWS + 1,
        None,
        oldest,
    )
    assert (await query_cost(pool, run_counts._RUNS)).buffers < BUFFERS
