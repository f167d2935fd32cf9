"""What a measurement reads: straight from PostgreSQL, and seldom, so that reading costs the services little."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

_COUNT = "SELECT count(*) FROM runs WHERE status = 'succeeded' AND job_name = $1"
_LAST = "SELECT max(finished_at) FROM runs WHERE status = 'succeeded' AND job_name = $1"
_LATENESS = """
SELECT extract(epoch FROM started_at - due_at) * 1000 AS late FROM runs
WHERE job_name = $1 AND status = 'succeeded' ORDER BY late
"""
_PAUSE_SECONDS = 0.5  # counting is work for the database too


@dataclass(frozen=True)
class Lateness:
    """From a run's due time to its start, in milliseconds."""

    count: int
    p50: float
    p99: float
    worst: float


async def await_succeeded(db: asyncpg.Connection, name: str, count: int, seconds: float = 180) -> datetime:
    """Wait until so many runs of jobs of that name have succeeded; returns when the last one had, by the books."""
    deadline = time.monotonic() + seconds
    while await db.fetchval(_COUNT, name) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} runs of {name!r} have not succeeded within {seconds:.0f} s")
        await asyncio.sleep(_PAUSE_SECONDS)
    last: datetime = await db.fetchval(_LAST, name)
    return last


async def lateness(db: asyncpg.Connection, name: str, count: int, within: timedelta) -> Lateness:
    """The lateness of the runs of all jobs of that name, once so many have succeeded."""
    await await_succeeded(db, name, count, within.total_seconds())
    late = [float(row["late"]) for row in await db.fetch(_LATENESS, name)]
    return Lateness(len(late), late[len(late) // 2], late[min(len(late) - 1, int(len(late) * 0.99))], late[-1])
