"""Whether runs are later, or fewer, while a period leaves for its archive, beside a load that the machine carries.

`python -m benchmarks.archiving` fills a period with ended runs, begins 1,000 runs a second of jobs that recur, lets the
period leave, and prints the rate and the lateness before, meanwhile and after. With `--once` it creates 1,000 jobs a
second in place of them, a hundred in a request.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx2
from rich.console import Console
from rich.table import Table

from benchmarks.bench import Bench, machine, running
from benchmarks.soak.load import SERIES_SHARE, TICK, series
from benchmarks.soak.periods import RETENTION, Periods, let_periods_leave
from benchmarks.throughput import JOBS, throughput
from duebook_common.store.database import Pool, connect, transaction
from duebook_common.store.partitions import open_period

_WARM = 10  # seconds of the load that do not count
_LONGEST = 240  # seconds until the archive must have ended
_CALM = 5  # seconds without a sign of the archive, after which it has ended
_BATCH = 500  # jobs in a request
_PERIOD = timedelta(hours=1)
_LATENESS = """
SELECT count(*) / extract(epoch FROM $2 - $1::timestamptz)::float8 AS rate,
       percentile_disc(ARRAY[0.5, 0.99, 0.999]) WITHIN GROUP (
           ORDER BY extract(epoch FROM started_at - due_at)::float8 * 1000) AS late
FROM runs WHERE status = 'succeeded' AND attempt = 1 AND finished_at >= $1 AND finished_at < $2
"""


class _Load:
    """Runs at a rate, until it is stopped: of jobs that recur, or of new jobs that are due at once."""

    def __init__(self, bench: Bench, rate: int, *, once: bool) -> None:
        self._api = httpx2.AsyncClient(base_url=bench.services["api"].url, timeout=60, trust_env=False)
        self._rate, self._once, self._stopped = rate, once, asyncio.Event()

    async def run(self) -> None:
        async with self._api:
            if self._once:
                await self._create_until_stopped()
            else:
                jobs = series(self._rate * SERIES_SHARE, datetime.now(UTC))
                for first in range(0, len(jobs), _BATCH):
                    await self._create(jobs[first : first + _BATCH])

    def stop(self) -> None:
        self._stopped.set()

    async def _create_until_stopped(self) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            due += TICK
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._create([{"name": "once", "task": "bench.instant"}] * int(self._rate * TICK))

    async def _create(self, jobs: list[dict[str, object]]) -> None:
        (await self._api.post("/api/job/batch", json={"jobs": jobs})).raise_for_status()


async def measure(bench: Bench, chosen: argparse.Namespace, table: Table) -> None:
    """Add a row for each window of time: its seconds, and the rate and lateness of the runs that ended in it."""
    url = bench.stack.postgres.url
    async with connect(url, "archiving", 3) as pool, _connected(url) as db:
        this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        await _open(pool, this_hour - 3 * _PERIOD)
        for _ in range(chosen.runs // JOBS):
            await throughput(bench, db)
        began, started = time.monotonic(), await db.fetchval("SELECT clock_timestamp()")
        load, periods = _Load(bench, chosen.rate, once=chosen.once), Periods(pool, _PERIOD, RETENTION, began)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            watching = tasks.create_task(periods.watch())
            for start in (this_hour - 2 * _PERIOD, this_hour):
                await _open(pool, start)
            begin, end = await _archived(periods, began)
            await asyncio.sleep(max(0.0, began + end + chosen.seconds - time.monotonic()))
            load.stop()
            watching.cancel()
        windows = {"before": (_WARM, begin), "meanwhile": (begin, end), "after": (end, end + chosen.seconds)}
        for name, window in windows.items():
            since, until = (started + timedelta(seconds=each) for each in window)
            found = await db.fetchrow(_LATENESS, since, until)
            assert found is not None
            late = (f"{each:,.1f}" for each in found["late"])
            table.add_row(name, f"{window[1] - window[0]:.0f}", f"{found['rate']:,.0f}", *late)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    db = await asyncpg.connect(url)
    try:
        yield db
    finally:
        await db.close()


async def _open(pool: Pool, start: datetime) -> None:
    async with transaction(pool) as db:
        await open_period(db, start)


async def _archived(periods: Periods, began: float) -> tuple[float, float]:
    """When the archive began, and when the last part of it ended, in seconds since `began`."""
    while not periods.archiving or time.monotonic() - began < periods.archiving[-1][1] + _CALM:
        if time.monotonic() - began > _LONGEST:
            raise TimeoutError(f"no archive has ended within {_LONGEST} s")
        await asyncio.sleep(0.5)
    return periods.archiving[0][0], periods.archiving[-1][1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archiving", description=__doc__)
    parser.add_argument("--runs", type=int, default=40_000, help="that leave")
    parser.add_argument("--rate", type=int, default=1000, help="runs a second")
    parser.add_argument("--seconds", type=float, default=40, help="of load after the archive")
    parser.add_argument("--once", action="store_true", help="new jobs in place of those that recur")
    chosen = parser.parse_args()
    title = f"{chosen.runs:,} runs leave beside {chosen.rate:,} a second; {machine()}"
    table = Table("", "seconds", "runs/s", "lateness p50 ms", "p99", "p99.9", title=title)
    with running(services=False) as bench:
        let_periods_leave(bench)
        bench.start()
        asyncio.run(measure(bench, chosen, table))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
