"""What a measurement reads: straight from PostgreSQL, and seldom, so that reading costs the services little."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

_OPEN = """
SELECT EXISTS (SELECT FROM runs WHERE wake_at IS NOT NULL) OR EXISTS (SELECT FROM jobs WHERE wake_at <= now())
"""
_COUNT = "SELECT count(*) FROM runs WHERE status = 'succeeded' AND job_name = $1"
_LAST = "SELECT max(finished_at) FROM runs WHERE status = 'succeeded' AND job_name = $1"
_LATENESS = """
SELECT extract(epoch FROM started_at - due_at) * 1000 AS late FROM runs
WHERE job_name = $1 AND status = 'succeeded' ORDER BY late
"""
_ACCOUNT = """
SELECT count(*) AS expected, count(run_id) AS recorded,
       (SELECT count(*) FROM events WHERE type = 'AttemptStarted' AND job_id = ANY($1::uuid[])) AS started
FROM unnest($1::uuid[], $2::timestamptz[]) AS due (job_id, nominal_at) LEFT JOIN runs USING (job_id, nominal_at)
"""
_PAUSE_SECONDS = 0.5  # counting is work for the database too


@dataclass(frozen=True)
class Lateness:
    """From a run's due time to its start, in milliseconds."""

    count: int
    p50: float
    p99: float
    worst: float


@dataclass(frozen=True)
class Account:
    """Of nominal times that were expected, those without a run, and attempts beyond one for each."""

    expected: int
    missed: int
    doubled: int


async def account(db: asyncpg.Connection, times: Iterable[tuple[UUID, datetime]]) -> Account:
    """What the books say of these nominal times of jobs that have no others."""
    found = await db.fetchrow(_ACCOUNT, *zip(*times, strict=True))
    assert found is not None
    expected, recorded, started = found["expected"], found["recorded"], found["started"]
    return Account(expected, expected - recorded, started - recorded)


async def await_succeeded(db: asyncpg.Connection, name: str, count: int, seconds: float = 180) -> datetime:
    """Wait until so many runs of jobs of that name have succeeded; returns when the last one had, by the books."""
    deadline = time.monotonic() + seconds
    while await db.fetchval(_OPEN) or await db.fetchval(_COUNT, name) < count:  # the first is read from an index
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
