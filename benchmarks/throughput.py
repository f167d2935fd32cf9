"""(a) Jobs per second, from the first POST of a batch to the last success."""

from concurrent.futures import ThreadPoolExecutor

import asyncpg

from benchmarks.bench import Bench
from benchmarks.recorded_runs import await_succeeded

JOBS, BATCH = 10_000, 1000


async def throughput(bench: Bench, db: asyncpg.Connection) -> tuple[float, dict[str, float]]:
    """Jobs per second, and the CPU milliseconds per job of each process."""
    before, start = bench.cpu(), await db.fetchval("SELECT clock_timestamp()")
    body = {"jobs": [{"name": "throughput", "task": "log", "payload": {"n": 1}} for _ in range(BATCH)]}
    with ThreadPoolExecutor(1) as client:
        requests = [client.submit(bench.post, "/api/job/batch", body) for _ in range(JOBS // BATCH)]
        end = await await_succeeded(db, "throughput", JOBS)
        for request in requests:
            request.result()
    after = bench.cpu()
    return JOBS / (end - start).total_seconds(), {name: (after[name] - before[name]) / JOBS * 1000 for name in before}
