"""The workloads (b), (c) and (d): the lateness of runs."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from benchmarks.bench import Bench
from benchmarks.recorded_runs import Lateness, Occurrences, lateness, occurrences

_PENDING = """
INSERT INTO jobs (job_id, stream_version, version, definition_version, name, task, queue, priority, tags, definition,
                  status, next_at, wake_at, created_at, updated_at)
SELECT gen_random_uuid(), 1, 1, 1, 'pending', 'log', queue, priority, '{}', definition, 'active',
       now() + interval '10 days' + n * interval '1 s', now() + interval '10 days' + n * interval '1 s', now(), now()
FROM generate_series(1, $1::int) AS n, (SELECT * FROM jobs WHERE name = 'pattern' LIMIT 1) AS pattern
"""


async def spread(bench: Bench, db: asyncpg.Connection, count: int = 1000) -> Lateness:
    """(b) One-off jobs that are due at random times within ten seconds."""
    await bench.settle()
    start = datetime.now(UTC) + timedelta(seconds=3)
    due = [start + timedelta(seconds=10 * random.random()) for _ in range(count)]
    jobs = [{"name": "spread", "scheduled_at": time.isoformat()} for time in due]
    bench.post("/api/job/batch", {"jobs": jobs})
    return await lateness(db, "spread", count, timedelta(seconds=40))


async def immediate(bench: Bench, db: asyncpg.Connection, pending: int, count: int = 500) -> Lateness:
    """(c) Jobs that are due at once, one after the other, while `pending` others are due in ten days."""
    await bench.settle()
    name = f"immediate with {pending} pending"
    for _ in range(count):
        bench.post("/api/job", {"name": name})
        await asyncio.sleep(0.02)
    return await lateness(db, name, count, timedelta(seconds=40))


async def recurring(bench: Bench, db: asyncpg.Connection, count: int = 500) -> tuple[Lateness, Occurrences]:
    """(d) Jobs due every five seconds for thirty seconds, with evenly spread phases; also counts their occurrences."""
    await bench.settle()
    start, every = datetime.now(UTC) + timedelta(seconds=3), timedelta(seconds=5)
    times = [[start + every * (n + k / count) for n in range(6)] for k in range(count)]  # by job
    common = {"name": "recurring", "recurrence": {"every": "PT5S"}}
    bodies = [common | {"scheduled_at": own[0].isoformat(), "ends_at": own[-1].isoformat()} for own in times]
    jobs = bench.post("/api/job/batch", {"jobs": bodies})["items"]
    late = await lateness(db, "recurring", 6 * count, timedelta(seconds=90))
    expected = [(UUID(job["id"]), at) for job, own in zip(jobs, times, strict=True) for at in own]
    return late, await occurrences(db, expected)


async def add_pending(bench: Bench, db: asyncpg.Connection, count: int) -> None:
    """Fill up to `count` jobs that are not due, as rows of the read model only, because just their number matters."""
    later = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    if not await db.fetchval("SELECT count(*) FROM jobs WHERE name = 'pattern'"):
        bench.post("/api/job", {"name": "pattern", "scheduled_at": later})
    present = await db.fetchval("SELECT count(*) FROM jobs WHERE name = 'pending'")
    await db.execute(_PENDING, count - present, timeout=300)
    await db.execute("VACUUM ANALYZE jobs", timeout=300)
