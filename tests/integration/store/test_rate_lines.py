"""The lines of rates, as they stand in the database."""

from operator import itemgetter

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
    found = await query_cost(pool, _LINE, ["k"], [], POSITIONS, NOW)
    assert not found.scans
    assert found.buffers <= 50, found


async def test_runs_of_a_paused_queue_cost_a_line_nothing(pool: Pool) -> None:
    await dispatched(pool, rate=Rate("k", 1, DAY))
    await grow_table(pool, "runs", 5_000)
    await pool.execute("UPDATE runs SET status = 'waiting', wake_at = $1, queue = 'queue-' || priority", NOW + DAY)
    newest = "SELECT run_id FROM runs ORDER BY created_at DESC LIMIT 3"
    await pool.execute(f"UPDATE runs SET queue = 'last' WHERE run_id IN ({newest})")
    paused = "SELECT 'queue-' || n, $1, 1, 'me' FROM generate_series(0, 9) AS n"
    await pool.execute(f"INSERT INTO queue_pauses (name, since, version, paused_by) {paused}", NOW)
    await pool.execute("VACUUM ANALYZE runs")
    found = await query_cost(pool, _LINE, ["k"], [], POSITIONS, NOW + DAY)
    assert found.buffers <= 100, found
    assert "runs" not in found.scans
    line = await pool.fetch(_LINE, ["k"], [], POSITIONS, NOW + DAY)
    assert [run["queue"] for run in line] == ["last"] * 3
    assert sorted(line, key=itemgetter("created_at")) == line
