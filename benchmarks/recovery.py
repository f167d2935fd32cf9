"""(h) How soon the runs of a killed executor start again, with the default lease."""

import asyncio
from datetime import timedelta

import asyncpg

from benchmarks.bench import Bench
from benchmarks.recorded_runs import Lateness, await_succeeded, percentiles
from duebook_devstack.ports import free_port
from duebook_devstack.services import Service

_QUEUE, _JOBS = "recovery", 90  # no more than one executor takes
_RUNNING = "SELECT count(*) FROM runs WHERE queue = $1 AND status = 'running'"
_LOAD = 1_000
_AGAIN = """
SELECT extract(epoch FROM min(started.recorded_at) - $1::timestamptz) * 1000 AS late
FROM events AS lost JOIN events AS started USING (stream)
WHERE lost.type = 'AttemptLost' AND started.type = 'AttemptStarted' AND started.version > lost.version
GROUP BY stream ORDER BY late
"""


async def recovery(bench: Bench, db: asyncpg.Connection) -> Lateness:
    """Kill one of two executors under load; the times from the kill to the next start of each of its runs."""
    own = {**bench.environment, "DUEBOOK_QUEUES": _QUEUE, "DUEBOOK_TASKS": "benchmarks.slow_tasks"}
    executors = [Service(bench.stack.stack_dir, f"executor-{n}", free_port(), own) for n in (1, 2)]
    try:
        for executor in executors:
            executor.start()
        for executor in executors:
            executor.await_ready()
        jobs = [{"name": "recovery", "task": "bench.seconds", "queue": _QUEUE} for _ in range(_JOBS)]
        bench.post("/api/job/batch", {"jobs": jobs})
        async with asyncio.timeout(30):
            while await db.fetchval(_RUNNING, _QUEUE) < _JOBS:
                await asyncio.sleep(0.05)
        others = {"jobs": [{"name": "load"}] * _LOAD}
        load = asyncio.create_task(asyncio.to_thread(bench.post, "/api/job/batch", others))
        killed_at = await db.fetchval("SELECT clock_timestamp()")
        executors[0].kill()
        await await_succeeded(db, "recovery", _JOBS, timedelta(minutes=2).total_seconds())
        await load
        return percentiles([float(row["late"]) for row in await db.fetch(_AGAIN, killed_at)])
    finally:
        for executor in executors:
            executor.kill()
