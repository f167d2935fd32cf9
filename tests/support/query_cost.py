"""The cost of a query: the buffers, indexes and tables that it reads, on tables grown to any size."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from duebook_common.store.database import Pool
from support.bookkeeping import NOW

HOUR = timedelta(hours=1)

# Copies of the table's only row: each created a millisecond and due a second later, with four priorities.
_COPIES = """
INSERT INTO {table} SELECT copy.* FROM (SELECT t AS row FROM {table} AS t LIMIT 1) AS one, generate_series(1, $1) AS n,
LATERAL jsonb_populate_record(one.row, jsonb_build_object(
    '{key}', gen_random_uuid(), 'created_at', (one.row).created_at + n * interval '1 ms',
    'priority', n % 4, 'wake_at', $2::timestamptz + n * interval '1 s'
)) AS copy
"""


@dataclass
class QueryCost:
    """What a query reads: 8 KiB buffers, the indexes that it uses, and the tables that it scans."""

    buffers: int
    indexes: set[str]
    scans: set[str]


async def query_cost(pool: Pool, query: str, *arguments: Any) -> QueryCost:
    """The cost of the second execution, when all buffers are in memory."""
    async with pool.acquire() as db:
        await db.fetch(query, *arguments)
        plan = json.loads(await db.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *arguments))[0]["Plan"]
    nodes = list(_nodes(plan))
    return QueryCost(
        plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        {node["Index Name"] for node in nodes if "Index Name" in node},
        {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"},
    )


def _nodes(plan: Any) -> Sequence[Any]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


async def grow_table(pool: Pool, table: str, count: int, *, pending: bool = True) -> None:
    """Add so many rows to `jobs` or `runs`, which must have one. They are like that, but pending unless told."""
    copies = _COPIES.format(table=table, key={"jobs": "job_id", "runs": "run_id"}[table])
    due_from = NOW + HOUR if pending else None
    for start in range(0, count, 20_000):  # a long transaction would hold up the transaction horizon of other tests
        await pool.execute(copies, min(20_000, count - start), due_from)
    await pool.execute(f"ANALYZE {table}")
