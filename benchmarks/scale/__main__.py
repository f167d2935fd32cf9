"""Measure at a million runs and print tables: `make bench-scale`.

`--keep DIR` keeps the filled servers there for the next time; `--of TEXT` selects paths, `--but TEXT` leaves some out.
"""

import argparse
import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from benchmarks.bench import Bench, machine
from benchmarks.scale.filled import filled
from benchmarks.scale.pages import ROUNDS, Served, serve_all
from benchmarks.scale.viewers import VIEWERS, watching
from benchmarks.scale.windows import compare

_TARGET = 150.0  # milliseconds
_IDS = """
SELECT j.job_id AS job, (SELECT run_id FROM runs WHERE job_id = j.job_id AND status = 'succeeded' LIMIT 1) AS run,
       (SELECT run_id FROM runs WHERE status = 'dead_lettered' ORDER BY created_at DESC LIMIT 1) AS dead
FROM jobs AS j WHERE name = 'report 5 of tenant 5' ORDER BY created_at, job_id LIMIT 1
"""
_TIMES = """
SELECT to_char(now() - interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS hour,
       to_char(now() - interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS day,
       to_char(now() - interval '30 days', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS month
"""


async def _ids(url: str) -> dict[str, str]:
    db = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
    try:
        rows: list[Any] = [await db.fetchrow(_IDS), await db.fetchrow(_TIMES)]
        return {name: str(value) for row in rows for name, value in row.items()}
    finally:
        await db.close()


def pages(bench: Bench, rounds: int, of: str, but: str) -> Table:
    """The table of server times, the slowest first."""
    served = serve_all(bench, asyncio.run(_ids(bench.stack.postgres.url)), rounds, of, but)
    slow = sum(each.whole.p95 > _TARGET for each in served)
    slow_by_core = sum(each.core.p95 > _TARGET for each in served)
    title = (
        f"server time in ms, {rounds} requests each: {len(served)} paths, {slow} with a p95 above {_TARGET:.0f} ms, "
        f"{slow_by_core} by core time"
    )
    table = Table("path", "status", "p50", "p95", "worst", "core: p50", "p95", "worst", title=title)
    for each in sorted(served, key=lambda each: -each.core.p95):
        table.add_row(*_cells(each))
    return table


def _cells(served: Served) -> list[str]:
    return [served.path, str(served.status), *(f"{each:.0f}" for each in (*served.whole, *served.core))]


def viewers(bench: Bench, pairs: int) -> Table:
    """The table of what viewers cost."""
    without, watched = compare(bench, pairs, partial(watching, bench.services["api"].url))
    table = Table("", "jobs/s", "CPU ms per job", title=f"{VIEWERS} viewers of live pages, {pairs} pairs of windows")
    for name, cost in (("without", without), ("with", watched)):
        table.add_row(name, f"{cost.rate:,.0f}", f"{cost.cpu:.3f}")
    table.add_row("cost", f"{1 - watched.rate / without.rate:.1%}", f"{watched.cpu / without.cpu - 1:.1%}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--of", default="")
    parser.add_argument("--but", default="")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--pairs", type=int, default=3, help="of windows with and without viewers")
    chosen = parser.parse_args()
    console = Console(width=140)
    console.print(machine())
    with filled(chosen.keep) as bench:
        if chosen.rounds:
            console.print(pages(bench, chosen.rounds, chosen.of, chosen.but))
        if chosen.pairs:
            console.print(viewers(bench, chosen.pairs))


if __name__ == "__main__":
    main()
