"""Plans that a connection keeps, also since a table was empty: they must not read all of it when it has grown."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from duebook_common.domain.definition import Concurrency, Rate
from duebook_common.store import (
    concurrency_keys,
    projections,
    queue_wakeups,
    rate_lines,
    rate_wakeups,
    rows,
    run_handling,
    wakeups,
)
from duebook_common.store.columns import Statements
from duebook_common.store.database import Connection, Pool
from duebook_executor import note_queries, queries
from duebook_scheduler import crowds, dispatch_window, due_jobs, due_runs
from support.bookkeeping import started
from support.query_cost import grow_table
from support.samples import SECOND

_MODULES = (projections, rows, wakeups, run_handling, queries, note_queries, crowds, due_jobs, due_runs)
_FOR_EACH_RUN = (
    "_LOAD_JOBS", "_LOAD_JOBS_TO_DECIDE", "_LOAD_RUNS", "_LOAD_RUNS_TO_DECIDE", "ACTIVE_RUNS", "_PERIODS",
    "_PLANNED_WAKEUPS", "_UPDATE_JOBS", "_REDEFINE_JOBS", "_UPDATE_RUNS", "_APPEND_AND_UPDATE_RUNS",
    "_APPEND_ONE_AND_UPDATE_RUNS", "_APPEND_OF_ATTEMPTS", "_APPEND_OF_ATTEMPT", "_APPEND_AND_START_RUNS",
    "_ASSIGNMENTS", "_RECORDED_STATES", "_CHECKPOINTS", "_DELETE_LEASES", "_CANDIDATES", "_DUE_SOON", "_DUE_RUNS",
    "_POSTPONE_JOBS", "_AWAIT", "_WAKE_NOW", "_HELD", "_DELETE_CHECKPOINTS", "_INSERT_JOBS", "_INSERT_RUNS",
)  # fmt: skip


def _statements(name: str) -> list[str]:
    [found] = [getattr(module, name) for module in _MODULES if hasattr(module, name)]
    return [found.many, found.alone] if isinstance(found, Statements) else [found]


@pytest.mark.parametrize("name", _FOR_EACH_RUN)
async def test_a_plan_kept_since_the_tables_were_empty_looks_each_row_up(pool: Pool, name: str) -> None:
    for statement in _statements(name):
        async with pool.acquire() as db, db.transaction():
            await db.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            plan = await kept_plan(db, statement)
        # Starts of rates are few until the first ANALYZE, a minute later, since a rate limits them.
        assert set(_read_whole(plan)) <= {"rate_starts"}


# A plan for NULL as a time or a limit knows that these find nothing.
_BY_TIME = {"_CANDIDATES", "_DUE_SOON", "_DUE_RUNS", "_POSTPONE_JOBS"}


@pytest.mark.parametrize("name", [name for name in _FOR_EACH_RUN if name not in _BY_TIME])
async def test_a_statement_of_each_run_is_planned_once(pool: Pool, name: str) -> None:
    """PostgreSQL plans a statement five times for its arguments, and then keeps a plan if that is no dearer."""
    for statement in _statements(name):
        async with pool.acquire() as db, db.transaction():
            await db.execute(f"PREPARE kept AS {statement}")
            types = await db.fetchval("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'kept'")
            one = ", ".join(f"ARRAY[NULL]::{each}" if each.endswith("[]") else f"NULL::{each}" for each in types)
            for _ in range(7):
                await db.execute(f"EXPLAIN EXECUTE kept({one})")  # an INSERT would refuse these values
            kept = await db.fetchval("SELECT generic_plans FROM pg_prepared_statements WHERE name = 'kept'")
            await db.execute("DEALLOCATE kept")
        assert kept == 2


async def kept_plan(db: Connection, statement: str) -> dict[str, Any]:
    """The plan of a statement for any arguments."""
    await db.execute(f"PREPARE kept AS {statement}")
    count = await db.fetchval("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'kept'")
    nulls = ", ".join(["NULL"] * count)
    [plan] = json.loads(await db.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE kept({nulls})"))
    await db.execute("DEALLOCATE kept")
    found: dict[str, Any] = plan["Plan"]
    return found


def _read_whole(node: dict[str, Any]) -> list[str]:
    found = [each for child in node.get("Plans", []) for each in _read_whole(child)]
    return [*found, node["Relation Name"]] if node["Node Type"] == "Seq Scan" else found


_OF_RUNS_UNDER_WAY = (
    rows.ACTIVE_RUNS, rows._COUNT_ACTIVE, concurrency_keys._KEYS, concurrency_keys._HOLDERS, concurrency_keys._FIRST,
    wakeups._WAKE_BY_JOB, wakeups._WAKE_BY_KEY, rate_lines._LINE, rate_lines._STARTS, rate_wakeups._WAKE_BY_RATE,
    rate_wakeups._PARK, queue_wakeups._RECALL, queue_wakeups._WAKE_QUEUES, dispatch_window._DISPATCHED,
    due_runs._DUE_RUNS,
)  # fmt: skip


_LEADING_COLUMNS = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid, 1, true) FROM pg_index WHERE indrelid = 'runs'::regclass
"""


async def test_plans_made_while_nothing_is_under_way_read_no_index_whole(pool: Pool) -> None:
    """To PostgreSQL an index of runs under way is empty then. It may be full of rows that died under a snapshot."""
    await started(pool, concurrency=Concurrency("k", 1), rate=Rate("r", 10, 60 * SECOND))
    await grow_table(pool, "runs", 5_000)
    await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL, planned_wake_at = NULL")
    await pool.execute("ANALYZE runs")
    whole = {}
    async with pool.acquire() as db:
        leading = {index: column for index, column in await db.fetch(_LEADING_COLUMNS)}  # noqa: C416
        await db.execute("SET plan_cache_mode = force_generic_plan")
        for statement in _OF_RUNS_UNDER_WAY:
            plan = await kept_plan(db, statement)
            if indexes := [*_indexes_read_whole(plan, leading)]:
                whole[statement] = indexes
        await db.execute("RESET plan_cache_mode")
    assert whole == {}


def _indexes_read_whole(node: dict[str, Any], leading: dict[str, str]) -> Iterator[str]:
    """Those whose first column the statement does not compare."""
    for child in node.get("Plans", []):
        yield from _indexes_read_whole(child, leading)
    if (index := node.get("Index Name")) in leading and leading[index] not in node.get("Index Cond", ""):
        yield index
