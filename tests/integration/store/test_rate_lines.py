"""The lines of rates, as they stand in the database."""

from duebook_common.domain.definition import Concurrency, Rate
from duebook_common.store.database import Pool
from duebook_common.store.rate_lines import _LINE, POSITIONS
from support.bookkeeping import NOW, dispatched
from support.query_cost import grow_table, query_cost
from support.samples import DAY


async def test_runs_that_wait_for_a_key_too_cost_a_line_nothing(pool: Pool) -> None:
    await dispatched(pool, rate=Rate("k", 1, DAY), concurrency=Concurrency("c"))
    await grow_table(pool, "runs", 5_000)
    await pool.execute("UPDATE runs SET status = 'waiting', reason = 'concurrency'")
    await pool.execute("VACUUM ANALYZE runs")
    found = await query_cost(pool, _LINE, ["k"], [], [], POSITIONS, NOW)
    assert not found.scans
    assert found.buffers <= 50, found
