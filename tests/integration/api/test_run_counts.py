"""How many runs are in which state: what the count of many dead letters costs, and who follows it."""

from typing import Any

from duebook_api.state import run_counts
from duebook_api.state.changes import Changes
from duebook_api.state.kept_answer import KeptAnswer
from duebook_api.state.queue_numbers import QueueNumbers
from duebook_api.state.run_counts import RunCounts
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


async def test_the_numbers_of_queues_follow_a_count_that_was_out_of_date(pool: Pool) -> None:
    changes = Changes()
    counts = RunCounts(changes)
    numbers = QueueNumbers(counts, changes)

    async def dispatched_runs() -> int:
        serve_no_more(numbers._kept)
        return int((await numbers.read(pool, Clock()))["mail"]["dispatched"])

    await dispatched(pool, queue="mail")
    assert await dispatched_runs() == 1
    await dispatched(pool, queue="mail")
    changes._seen_to = "1-1"
    counts._kept._until_changed = float("inf")  # as where counting is slow
    assert await dispatched_runs() == 1
    serve_no_more(counts._kept)
    assert await dispatched_runs() == 2


def serve_no_more(kept: KeptAnswer[Any]) -> None:
    """As some time after a change."""
    kept._until_changed = 0
