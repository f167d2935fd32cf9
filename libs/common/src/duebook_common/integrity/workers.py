"""Processes that share the work on a large log: they see one snapshot, and each has one connection at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar
from uuid import UUID

from duebook_common.integrity.verified import Verified
from duebook_common.store.database import Connection, Pool, connect, snapshot

_TIMEOUT = 3600.0  # seconds for one statement
PIECES = 8  # of the work for each worker, so that all have some to the end
_FEW = 50_000  # events, for which no process is worth its start
# The snapshot lasts as long as its transaction, which waits for the processes meanwhile.
_WAIT = "SET LOCAL idle_in_transaction_session_timeout = 0"
# The history of one job may take a minute to check. A process that is frozen holds back vacuum no longer than this.
LONG_IDLE = "SET LOCAL idle_in_transaction_session_timeout = '10min'"
_EXPORT = "SELECT pg_export_snapshot()"
_IS_SMALL = """
SELECT count(*) < $3 FROM (SELECT FROM events WHERE (xid, position) > ($1::xid8, $2) LIMIT $3) AS first
"""

# What cuts runs, or streams, into pieces of about the same size, from a sample of some 100,000 rows: ids of jobs and of
# runs begin with a time, so most of them begin alike.
_CUTS = """
SELECT percentile_disc($1::float8[]) WITHIN GROUP (ORDER BY job_id) FROM runs TABLESAMPLE SYSTEM ($2)
"""
_STREAM_CUTS = """
SELECT percentile_disc($1::float8[]) WITHIN GROUP (ORDER BY stream) FROM events TABLESAMPLE SYSTEM ($2)
WHERE starts_with(stream, $3)
"""
_ROWS = """
SELECT greatest(sum(reltuples), 1) FROM pg_partition_tree($1::text::regclass) JOIN pg_class ON oid = relid WHERE isleaf
"""
_SAMPLE = 100_000

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Workers:
    """`count` processes, each with connections of its own to the database `url`; one: this process does all."""

    url: str
    count: int


async def worth(db: Connection, workers: Workers | None, since: Verified | None = None) -> Workers | None:
    """The workers, if there are several and the log since then is large enough for them."""
    after = (0, 0) if since is None else (since.xid, since.position)
    if workers is None or workers.count < 2 or await db.fetchval(_IS_SMALL, *after, _FEW):
        return None
    return workers


async def job_cuts(db: Connection, pieces: int) -> list[UUID]:
    """Ids of jobs in their order that cut all jobs into about so many pieces, by the number of their runs."""
    fractions, percent = _fractions(pieces), await _percent(db, "runs")
    return sorted(set(await db.fetchval(_CUTS, fractions, percent) or [])) if fractions else []


async def stream_cuts(db: Connection, pieces: int, prefix: str = "") -> list[str]:
    """Names of streams in their order that cut those with the prefix into about so many pieces, by their events."""
    fractions, percent = _fractions(pieces), await _percent(db, "events")
    return sorted(set(await db.fetchval(_STREAM_CUTS, fractions, percent, prefix) or [])) if fractions else []


def _fractions(pieces: int) -> list[float]:
    return [n / pieces for n in range(1, pieces)]


async def _percent(db: Connection, table: str) -> float:
    """The share of the table's pages that have about as many rows as a sample is to have."""
    rows: float = await db.fetchval(_ROWS, table)
    return min(100.0, 100.0 * _SAMPLE / rows)


async def export_snapshot(db: Connection) -> str:
    """The name by which other transactions see what this one sees, as long as it lasts."""
    await db.execute(_WAIT)
    name: str = await db.fetchval(_EXPORT)
    return name


@asynccontextmanager
async def imported_snapshot(pool: Pool, name: str) -> AsyncIterator[Connection]:
    """A read-only transaction that sees what the one sees that exported its snapshot under this name."""
    async with snapshot(pool) as db:
        await db.execute(f"SET TRANSACTION SNAPSHOT '{name}'")
        await db.execute(LONG_IDLE)
        yield db


async def spread(
    workers: Workers, work: Callable[[Pool, P], Awaitable[R]], parts: Sequence[P], done: Callable[[R], None]
) -> list[R]:
    """The result of each part, in their order; `done` gets each as soon as it is there. `work` is a module's function.

    Raises what a part raises first, and BrokenProcessPool if a process ends.
    """
    loop, results = asyncio.get_running_loop(), dict[int, R]()

    async def one(number: int, part: P, pool: ProcessPoolExecutor) -> None:
        results[number] = await loop.run_in_executor(pool, _work, workers.url, work, part)
        done(results[number])

    with ProcessPoolExecutor(workers.count, get_context("spawn")) as pool:
        try:
            async with asyncio.TaskGroup() as group:
                for number, part in enumerate(parts):
                    group.create_task(one(number, part, pool))
        except BaseExceptionGroup as errors:
            pool.shutdown(wait=False, cancel_futures=True)
            raise errors.exceptions[0] from None
    return [results[number] for number in range(len(parts))]


def _work(url: str, work: Callable[[Pool, P], Awaitable[R]], part: P) -> R:
    async def connected() -> R:
        async with connect(url, "integrity", 2, _TIMEOUT) as pool:
            return await work(pool, part)

    return asyncio.run(connected())
