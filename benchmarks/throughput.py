"""(a) Jobs per second, from the first POST of a batch to the last success."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import asyncpg

from benchmarks.bench import Bench
from benchmarks.recorded_runs import await_succeeded

JOBS, BATCH = 10_000, 1000


async def throughput(
    bench: Bench, db: asyncpg.Connection, count: int = JOBS, task: str = "log"
) -> tuple[float, dict[str, float]]:
    """Jobs per second, and the CPU milliseconds per job of each process."""
    name = f"throughput {uuid4()}"  # each time another one: its runs are counted
    before, start = bench.cpu(), await db.fetchval("SELECT clock_timestamp()")
    body = {"jobs": [{"name": name, "task": task, "payload": {"n": 1}} for _ in range(BATCH)]}
    with ThreadPoolExecutor(1) as client:
        requests = [client.submit(bench.post, "/api/job/batch", body) for _ in range(count // BATCH)]
        end = await await_succeeded(db, name, count)
        for request in requests:
            request.result()
    after = bench.cpu()
    return count / (end - start).total_seconds(), {each: (after[each] - before[each]) / count * 1000 for each in before}
