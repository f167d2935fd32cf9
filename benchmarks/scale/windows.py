"""What a condition costs at full load: windows with and without it take turns in the same run."""

import asyncio
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import asyncpg

from benchmarks.bench import Bench
from benchmarks.throughput import throughput

_REMOVE = (
    "DELETE FROM runs WHERE job_name LIKE 'throughput %'",
    "DELETE FROM jobs WHERE name LIKE 'throughput %'",
)


_SETTLE_SECONDS = 20  # until the next window


class Cost(NamedTuple):
    """The medians of the windows: jobs per second, and the CPU milliseconds per job of all processes."""

    rate: float
    cpu: float


Condition = Callable[[], AbstractContextManager[None]]


def compare(bench: Bench, pairs: int, condition: Condition) -> tuple[Cost, Cost]:
    """The cost without the condition and with it."""
    windows: dict[bool, list[Cost]] = {False: [], True: []}
    for n in range(pairs):
        for is_met in (False, True) if n % 2 else (True, False):
            with condition() if is_met else nullcontext():
                windows[is_met].append(asyncio.run(_window(bench)))
    return _median(windows[False]), _median(windows[True])


async def _window(bench: Bench) -> Cost:
    db = await asyncpg.connect(bench.stack.postgres.url)
    try:
        rate, cpu = await throughput(bench, db)
        for statement in _REMOVE:  # so that each window finds as many jobs and runs as the first
            await db.execute(statement)
        await bench.settle(_SETTLE_SECONDS)
    finally:
        await db.close()
    return Cost(rate, sum(cpu.values()))


def _median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))
