"""Plans that a connection keeps since a table was empty: they must not read all of it when it has grown."""

import json
from typing import Any

import pytest

from duebook_common.store import projections, rows, run_handling, wakeups
from duebook_common.store.database import Pool
from duebook_executor import note_queries, queries
from duebook_scheduler import crowds, due_jobs, due_runs

_MODULES = (projections, rows, wakeups, run_handling, queries, note_queries, crowds, due_jobs, due_runs)
_FOR_EACH_RUN = (
    "_LOAD_JOBS", "_LOAD_JOBS_TO_DECIDE", "_LOAD_RUNS", "_LOAD_RUNS_TO_DECIDE", "ACTIVE_RUNS", "_PERIODS",
    "_PLANNED_WAKEUPS", "_UPDATE_JOBS", "_REDEFINE_JOBS", "_UPDATE_RUNS", "_APPEND_AND_UPDATE_RUNS",
    "_APPEND_ONE_AND_UPDATE_RUNS", "_APPEND_OF_ATTEMPTS", "_APPEND_AND_START_RUNS", "_ASSIGNMENTS", "_RECORDED_STATES",
    "_CHECKPOINTS", "_DELETE_LEASES", "_CANDIDATES", "_DUE_SOON", "_DUE_RUNS",
    "_POSTPONE_JOBS", "_AWAIT", "_WAKE_NOW", "_HELD", "_DELETE_CHECKPOINTS",
)  # fmt: skip


@pytest.mark.parametrize("name", _FOR_EACH_RUN)
async def test_a_plan_kept_since_the_tables_were_empty_looks_each_row_up(pool: Pool, name: str) -> None:
    [statement] = [getattr(module, name) for module in _MODULES if hasattr(module, name)]
    async with pool.acquire() as db, db.transaction():
        await db.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await db.execute(f"PREPARE kept AS {statement}")
        count = await db.fetchval("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'kept'")
        nulls = ", ".join(["NULL"] * count)
        [plan] = json.loads(await db.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE kept({nulls})"))
        await db.execute("DEALLOCATE kept")
    # Starts of rates are few until the first ANALYZE, a minute later, since a rate limits them.
    assert set(_read_whole(plan["Plan"])) <= {"rate_starts"}


def _read_whole(node: dict[str, Any]) -> list[str]:
    found = [each for child in node.get("Plans", []) for each in _read_whole(child)]
    return [*found, node["Relation Name"]] if node["Node Type"] == "Seq Scan" else found
