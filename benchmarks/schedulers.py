"""(l) Jobs per second with 1, 2, 4 and 8 schedulers, on the same servers: what sharing the jobs costs, and gains.

Each number is measured twice, first in ascending and then in descending order: the log grows from one to the next, so
what its size costs lowers the first figure of the many, and the second one of the few.
"""

from collections.abc import AsyncIterator

import asyncpg

from benchmarks.bench import Bench
from benchmarks.throughput import throughput
from duebook_devstack.services import Service

COUNTS = (1, 2, 4, 8, 8, 4, 2, 1)


async def by_schedulers(bench: Bench, db: asyncpg.Connection) -> AsyncIterator[tuple[int, float, float]]:
    """Each number of schedulers, the jobs per second, and the CPU milliseconds per job of all of them together."""
    added: list[Service] = []
    try:
        for count in COUNTS:
            while len(added) < count - 1:
                added.append(bench.add("scheduler", len(added) + 2))
            while len(added) > count - 1:
                bench.remove(added.pop())
            await bench.settle()
            rate, cpu = await throughput(bench, db)
            yield count, rate, sum(cost for name, cost in cpu.items() if name.startswith("scheduler"))
    finally:
        for scheduler in added:
            bench.remove(scheduler)
