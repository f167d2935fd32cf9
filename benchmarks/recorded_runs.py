"""Lateness and completeness of runs, from PostgreSQL. Queries are rare, so that they hardly load the services."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

# Of the queue that all benches use: a filled database has others, which no executor serves.
_UNFINISHED = """
SELECT EXISTS (SELECT FROM runs WHERE queue = 'default' AND wake_at IS NOT NULL)
    OR EXISTS (SELECT FROM jobs WHERE queue = 'default' AND wake_at <= now())
"""
_COUNT = "SELECT count(*) FROM runs WHERE status = 'succeeded' AND job_name = $1"
_LAST = "SELECT max(finished_at) FROM runs WHERE status = 'succeeded' AND job_name = $1"
_LATENESS = """
SELECT extract(epoch FROM started_at - due_at) * 1000 AS late FROM runs
WHERE job_name = $1 AND status = 'succeeded' ORDER BY late
"""
_OCCURRENCES = """
SELECT count(*) AS expected, count(run_id) AS recorded,
       (SELECT count(*) FROM events WHERE type = 'AttemptStarted' AND job_id = ANY($1::uuid[])) AS started
FROM unnest($1::uuid[], $2::timestamptz[]) AS due (job_id, nominal_at) LEFT JOIN runs USING (job_id, nominal_at)
"""
_POLL_SECONDS = 0.5  # not less: the count loads the database


@dataclass(frozen=True)
class Lateness:
    """The time from the due time of a run to its start, in milliseconds."""

    count: int
    p50: float
    p99: float
    worst: float


@dataclass(frozen=True)
class Occurrences:
    """The number of expected nominal times, of those without a run, and of attempts beyond one per run."""

    expected: int
    missed: int
    additional_attempts: int


async def occurrences(db: asyncpg.Connection, times: Iterable[tuple[UUID, datetime]]) -> Occurrences:
    """Count the runs and attempts of these nominal times, which must be all of their jobs."""
    row = await db.fetchrow(_OCCURRENCES, *zip(*times, strict=True))
    assert row is not None
    expected, recorded, started = row["expected"], row["recorded"], row["started"]
    return Occurrences(expected, expected - recorded, started - recorded)


async def await_succeeded(db: asyncpg.Connection, name: str, count: int, seconds: float = 180) -> datetime:
    """Wait until `count` runs of jobs with this name have succeeded; returns when the last one finished."""
    deadline = time.monotonic() + seconds
    # The first query needs only an index, so it comes first.
    while await db.fetchval(_UNFINISHED) or await db.fetchval(_COUNT, name) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} runs of {name!r} have not succeeded within {seconds:.0f} s")
        await asyncio.sleep(_POLL_SECONDS)
    last: datetime = await db.fetchval(_LAST, name)
    return last


async def lateness(db: asyncpg.Connection, name: str, count: int, within: timedelta) -> Lateness:
    """The lateness of all runs of jobs with this name, as soon as `count` have succeeded."""
    await await_succeeded(db, name, count, within.total_seconds())
    return percentiles([float(row["late"]) for row in await db.fetch(_LATENESS, name)])


def percentiles(late: list[float]) -> Lateness:
    """Of a sorted list of milliseconds."""
    return Lateness(len(late), late[len(late) // 2], late[min(len(late) - 1, int(len(late) * 0.99))], late[-1])
