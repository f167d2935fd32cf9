"""What a measurement reads: straight from PostgreSQL, so that reading costs the services nothing."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

_ENDED = "SELECT count(*) FROM runs WHERE status = 'succeeded' AND task = $1"
_LATENESS = """
SELECT extract(epoch FROM started_at - due_at) * 1000 AS late FROM runs
WHERE job_name = $1 AND status = 'succeeded' ORDER BY late
"""


@dataclass(frozen=True)
class Lateness:
    """From a run's due time to its start, in milliseconds."""

    count: int
    p50: float
    p99: float
    worst: float


async def await_succeeded(db: asyncpg.Connection, task: str, count: int, seconds: float = 180) -> float:
    """Wait until so many runs have succeeded; returns the time of `time.perf_counter` at which they had."""
    deadline = time.monotonic() + seconds
    while await db.fetchval(_ENDED, task) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} runs have not succeeded within {seconds:.0f} s")
        await asyncio.sleep(0.05)
    return time.perf_counter()


async def lateness(db: asyncpg.Connection, name: str, count: int, within: timedelta) -> Lateness:
    """The lateness of the runs of all jobs of that name, once so many have succeeded."""
    deadline = time.monotonic() + within.total_seconds()
    while len(rows := await db.fetch(_LATENESS, name)) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(rows)} of {count} runs of {name!r} have succeeded")
        await asyncio.sleep(0.1)
    late = [float(row["late"]) for row in rows]
    return Lateness(len(late), late[len(late) // 2], late[min(len(late) - 1, int(len(late) * 0.99))], late[-1])
