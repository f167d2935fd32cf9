"""A transaction that writes stays open for minutes while jobs go on: what waits for it, what shows it, how it recovers.

`python -m benchmarks.soak.hold --minutes 10 --rate 30` holds it in Duebook's own database, `--other` in another one of
the same cluster. If Prometheus is installed, it evaluates the alerts of `deploy/monitoring` meanwhile. The exit code is
1 if anything that waited is lost, comes twice or is still missing at the end, or if `duebook verify` finds something.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from rich.console import Console

from benchmarks.bench import Bench, machine, running
from benchmarks.soak.__main__ import verify
from benchmarks.soak.alerts import Alerts, watching
from benchmarks.soak.held import HoldSampler, Phase, table
from benchmarks.soak.load import Load
from benchmarks.soak.readers import Readers
from duebook_common.store.database import connect
from duebook_devstack.postgres import Postgres

_CALM = 60.0  # seconds of load before the transaction begins, and after the readers have caught up, at the longest
_LONGEST_RECOVERY = 900.0


@asynccontextmanager
async def held(url: str) -> AsyncIterator[None]:
    """A transaction with an id, by a role whose sessions Duebook's may not look into."""
    db = await asyncpg.connect(url)
    try:
        async with db.transaction():
            await db.execute("SELECT pg_current_xact_id()")
            yield
    finally:
        await db.close()


async def measure(
    bench: Bench, alerts: Alerts | None, chosen: argparse.Namespace
) -> tuple[HoldSampler, list[str], bool]:
    """Load, hold, release, and wait until all that waited has come; returns also what to say, and whether all came."""
    began, wall, calm = time.monotonic(), time.time(), min(_CALM, chosen.minutes * 30)
    async with connect(bench.stack.postgres.url, "hold", 6) as pool, Readers(bench, pool) as readers:
        load, sampler = Load(bench.services["api"].url, chosen.rate, began), HoldSampler(bench, pool, readers, began)
        async with asyncio.TaskGroup() as tasks:
            sampling, announcing = tasks.create_task(sampler.run()), tasks.create_task(readers.announce())
            tasks.create_task(load.run())
            await asyncio.sleep(calm)
            sampler.phase = Phase.HELD
            async with held(_database(bench, "postgres" if chosen.other else "duebook")):
                await asyncio.sleep(chosen.minutes * 60)
            released = time.monotonic() - began
            sampler.phase = Phase.RELEASED
            caught_up = await readers.caught_up(_LONGEST_RECOVERY)
            sampler.phase = Phase.AFTER
            await asyncio.sleep(calm)
            load.stop()
            announcing.cancel()
            complete = await readers.complete(_LONGEST_RECOVERY)
            sampling.cancel()
    remarks = [
        f"held from {calm:.0f} to {released:.0f} s; seconds until each reader had done its backlog: {caught_up}",
        *readers.says(),
        f"created {load.created + readers.announced}, lost requests {load.lost}, all complete and once: {complete}",
        *(alerts.says(wall) if alerts else ["Prometheus is not installed: no alert was evaluated"]),
    ]
    return sampler, remarks, complete


def _database(bench: Bench, name: str) -> str:
    postgres = bench.stack.postgres
    assert isinstance(postgres, Postgres)
    return f"{postgres.superuser_url.rpartition('/')[0]}/{name}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.hold", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=30)
    parser.add_argument("--other", action="store_true")
    chosen = parser.parse_args()
    title = f"a transaction for {chosen.minutes:g} minutes, {chosen.rate:g} jobs/s; {machine()}"
    with running(services=False) as bench:
        bench.set_environment(DUEBOOK_MAIL_LIMIT="off", DUEBOOK_LOG_LEVEL="warning")
        bench.start()
        with watching(bench, bench.stack.stack_dir.path) as alerts:
            sampler, remarks, complete = asyncio.run(measure(bench, alerts, chosen))
        console = Console(width=160)
        for part in (table(sampler, title), *remarks):
            console.print(part, highlight=False)
        verified = verify(bench, archives=False)
    return 0 if complete and verified else 1


if __name__ == "__main__":
    sys.exit(main())
