"""What a statement costs: how much of the database it touches, on tables made as large as is asked for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from duebook_common.store.database import Pool
from support.bookkeeping import NOW

HOUR = timedelta(hours=1)

# Copies of the one row there is, each newer than the last, pending, in lanes of four priorities.
_COPIES = """
INSERT INTO {table} SELECT copy.* FROM (SELECT t AS row FROM {table} AS t LIMIT 1) AS one, generate_series(1, $1) AS n,
LATERAL jsonb_populate_record(one.row, jsonb_build_object(
    '{key}', gen_random_uuid(), 'created_at', (one.row).created_at + n * interval '1 ms',
    'priority', n % 4, 'wake_at', $2::timestamptz + n * interval '1 s'
)) AS copy
"""


@dataclass
class Cost:
    buffers: int
    indexes: set[str]
    scans: set[str]


async def cost(pool: Pool, query: str, *arguments: Any) -> Cost:
    """What it touches, warm."""
    async with pool.acquire() as db:
        await db.fetch(query, *arguments)
        plan = json.loads(await db.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *arguments))[0]["Plan"]
    nodes = list(_nodes(plan))
    return Cost(
        plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        {node["Index Name"] for node in nodes if "Index Name" in node},
        {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"},
    )


def _nodes(plan: Any) -> Sequence[Any]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


async def grown(pool: Pool, table: str, count: int) -> None:
    key = {"jobs": "job_id", "runs": "run_id"}[table]
    for start in range(0, count, 20_000):  # a long transaction would hold the horizon of other tests
        await pool.execute(_COPIES.format(table=table, key=key), min(20_000, count - start), NOW + HOUR)
    await pool.execute(f"ANALYZE {table}")
