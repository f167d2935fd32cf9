"""(l) Jobs per second with 1, 2, 4 and 8 schedulers, on the same servers: what sharing the jobs costs, and gains."""

from collections.abc import AsyncIterator

import asyncpg

from benchmarks.bench import Bench
from benchmarks.throughput import throughput
from duebook_devstack.ports import free_port
from duebook_devstack.services import Service

COUNTS = (1, 2, 4, 8)


async def by_schedulers(bench: Bench, db: asyncpg.Connection) -> AsyncIterator[tuple[int, float, float]]:
    """Each number of schedulers, the jobs per second, and the CPU milliseconds per job of all of them together."""
    added: list[Service] = []
    try:
        for count in COUNTS:
            while len(added) < count - 1:
                added.append(_scheduler(bench, len(added) + 2))
            await bench.settle()
            rate, cpu = await throughput(bench, db)
            yield count, rate, sum(cost for name, cost in cpu.items() if name.startswith("scheduler"))
    finally:
        for scheduler in added:
            bench.services.pop(scheduler.name).stop()


def _scheduler(bench: Bench, number: int) -> Service:
    """One more scheduler, ready."""
    scheduler = Service(bench.stack.stack_dir, f"scheduler-{number}", free_port(), bench.environment)
    bench.services[scheduler.name] = scheduler
    scheduler.start()
    scheduler.await_ready()
    return scheduler
