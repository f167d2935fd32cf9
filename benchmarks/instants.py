"""The workloads (e), (f) and (g): when tasks begin, by the wall clock at their first line, which no book can improve.

Each has one task of a user, an `async def`, and jobs that are made some seconds before they are due.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.bench import Bench
from benchmarks.recorded_runs import Occurrences, await_succeeded, occurrences

_BEGAN = """
SELECT (result::text::float8 - extract(epoch FROM due_at)) * 1000 AS late,
       extract(epoch FROM finished_at - due_at) * 1000 AS ended
FROM runs WHERE job_name = $1 AND status = 'succeeded' ORDER BY late
"""
_BATCH, _SERIES_SECONDS = 1000, 30


@dataclass(frozen=True)
class Instants:
    """Milliseconds from the due time to the task's first line, and to the last recorded end. `early`: how many were."""

    p50: float
    p99: float
    worst: float
    last_end: float
    early: int


async def steady(bench: Bench, db: asyncpg.Connection, count: int = 2000, per_second: int = 100) -> Instants:
    """(e) One-off jobs, evenly spread, at a steady rate."""
    await bench.settle()
    start = datetime.now(UTC) + timedelta(seconds=5)
    await _create(bench, [_job("steady", start + timedelta(seconds=n / per_second)) for n in range(count)])
    return await _instants(db, "steady", count)


async def herd(bench: Bench, db: asyncpg.Connection, count: int = 10_000, ahead: float = 30) -> Instants:
    """(f) One-off jobs that are all due at the same instant, made `ahead` seconds before it."""
    await bench.settle()
    due = datetime.now(UTC) + timedelta(seconds=ahead)
    await _create(bench, [_job("herd", due)] * count)
    return await _instants(db, "herd", count)


async def aligned(bench: Bench, db: asyncpg.Connection, count: int = 500) -> tuple[Instants, Occurrences]:
    """(g) Series that are due together every five seconds for thirty seconds; also counts their occurrences."""
    await bench.settle()
    first = datetime.now(UTC) + timedelta(seconds=5)
    times = [first + timedelta(seconds=n) for n in range(0, _SERIES_SECONDS, 5)]
    job = _job("aligned", first) | {"recurrence": {"every": "PT5S"}, "ends_at": times[-1].isoformat()}
    jobs = await _create(bench, [job] * count)
    found = await _instants(db, "aligned", count * len(times))
    return found, await occurrences(db, [(id_, at) for id_ in jobs for at in times])


def _job(name: str, due: datetime) -> dict[str, Any]:
    return {"name": name, "task": "bench.instant", "scheduled_at": due.isoformat()}


async def _create(bench: Bench, jobs: Sequence[dict[str, Any]]) -> list[UUID]:
    made: list[UUID] = []
    for n in range(0, len(jobs), _BATCH):
        made += [UUID(job["id"]) for job in bench.post("/api/job/batch", {"jobs": jobs[n : n + _BATCH]})["items"]]
    return made


async def _instants(db: asyncpg.Connection, name: str, count: int) -> Instants:
    await await_succeeded(db, name, count)
    rows = await db.fetch(_BEGAN, name)
    late, ended = [row["late"] for row in rows], max(float(row["ended"]) for row in rows)
    p99 = late[min(len(late) - 1, int(len(late) * 0.99))]
    return Instants(late[len(late) // 2], p99, late[-1], ended, sum(each < 0 for each in late))
