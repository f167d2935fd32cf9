"""(b), (c) and (d): how late runs start, in milliseconds."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from benchmarks.bench import Bench
from benchmarks.books import Account, Lateness, account, lateness

_PENDING = """
INSERT INTO jobs (job_id, stream_version, version, definition_version, name, task, queue, priority, tags, definition,
                  status, next_at, wake_at, created_at, updated_at)
SELECT gen_random_uuid(), 1, 1, 1, 'pending', 'log', queue, priority, '{}', definition, 'active',
       now() + interval '10 days' + n * interval '1 s', now() + interval '10 days' + n * interval '1 s', now(), now()
FROM generate_series(1, $1::int) AS n, (SELECT * FROM jobs WHERE name = 'pattern' LIMIT 1) AS pattern
"""


async def spread(bench: Bench, db: asyncpg.Connection, count: int = 1000) -> Lateness:
    """(b) One-off jobs that fall due at random within ten seconds."""
    await bench.settle()
    start = datetime.now(UTC) + timedelta(seconds=3)
    due = [start + timedelta(seconds=10 * random.random()) for _ in range(count)]
    jobs = [{"name": "spread", "scheduled_at": time.isoformat()} for time in due]
    bench.post("/api/job/batch", {"jobs": jobs})
    return await lateness(db, "spread", count, timedelta(seconds=40))


async def immediate(bench: Bench, db: asyncpg.Connection, pending: int, count: int = 500) -> Lateness:
    """(c) Jobs due at once, one after the other, while so many others wait for their day."""
    await bench.settle()
    name = f"immediate beside {pending}"
    for _ in range(count):
        bench.post("/api/job", {"name": name})
        await asyncio.sleep(0.02)
    return await lateness(db, name, count, timedelta(seconds=40))


async def recurring(bench: Bench, db: asyncpg.Connection, count: int = 500) -> tuple[Lateness, Account]:
    """(d) Jobs every five seconds for thirty, their phases spread; and whether the books have each occurrence once."""
    await bench.settle()
    start, every = datetime.now(UTC) + timedelta(seconds=3), timedelta(seconds=5)
    times = [[start + every * (n + k / count) for n in range(6)] for k in range(count)]
    common = {"name": "recurring", "recurrence": {"every": "PT5S"}}
    jobs = [common | {"scheduled_at": own[0].isoformat(), "ends_at": own[-1].isoformat()} for own in times]
    made = bench.post("/api/job/batch", {"jobs": jobs})["items"]
    late = await lateness(db, "recurring", 6 * count, timedelta(seconds=90))
    return late, await account(db, [(UUID(job["id"]), at) for job, own in zip(made, times, strict=True) for at in own])


async def add_pending(bench: Bench, db: asyncpg.Connection, count: int) -> None:
    """Rows of jobs that are not due, written straight into the read model: only their number matters here."""
    later = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    if not await db.fetchval("SELECT count(*) FROM jobs WHERE name = 'pattern'"):
        bench.post("/api/job", {"name": "pattern", "scheduled_at": later})
    have = await db.fetchval("SELECT count(*) FROM jobs WHERE name = 'pending'")
    await db.execute(_PENDING, count - have, timeout=300)
    await db.execute("VACUUM ANALYZE jobs", timeout=300)
