"""What is measured while the soak goes on: sizes, memory, lateness, and how far vacuum and readers are."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psutil

from benchmarks.bench import Bench
from benchmarks.storage import sizes
from duebook_common.store.database import Connection, Pool, acquire
from duebook_common.store.log_progress import Horizon

LINES = ("ledger_lines", "archived_jobs")  # what stays of each run and each one-off job for ever
_DATABASE = """
SELECT pg_database_size(current_database()) AS bytes,
       (SELECT sum(n_dead_tup) FROM pg_stat_user_tables)::float8 AS dead,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       (SELECT count(*) FROM archives) AS archives,
       (SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'ledger_lines') AS lines,
       (SELECT count(*) FROM runs WHERE status = 'dead_lettered') AS dead_letters,
       (SELECT count(*) FROM runs WHERE wake_at IS NOT NULL AND due_at < now() - interval '10 seconds') AS overdue
"""
# The runs that ended in a span of time, and how late the first line of those with a result came. A run that ends counts
# for its window only if it is committed when the window is read, so windows lag.
_LATE = """
SELECT extract(epoch FROM due_at)::float8 AS due, extract(epoch FROM finished_at)::float8 AS ended,
       CASE WHEN task = 'bench.instant' AND status = 'succeeded'
       THEN ((result #>> '{}')::float8 - extract(epoch FROM due_at)::float8) * 1000 END AS late
FROM runs WHERE wake_at IS NULL AND finished_at >= $1 AND finished_at < $2
"""
LAG = timedelta(seconds=30)
FIRST_LINE, RECORDED = "first line", "recorded start"
_MIB = 2**20


@dataclass
class Samples:
    """One list for each series, with one value for each sample; `at` is in seconds since the begin.

    `late` has for each second the milliseconds that the runs which were due in it were late, and `ended` the number of
    runs that ended in it. `lateness_of` says of what: of the task's first line, or of the start as recorded.
    """

    at: list[float] = field(default_factory=list)
    series: dict[str, list[float]] = field(default_factory=dict)
    late: dict[int, list[float]] = field(default_factory=dict)
    ended: dict[int, int] = field(default_factory=dict)
    lateness_of: str = RECORDED

    def add(self, at: float, values: Mapping[str, float]) -> None:
        self.at.append(at)
        for name, value in values.items():
            self.series.setdefault(name, []).append(value)


class Sampler:
    """Takes a sample every so many seconds."""

    def __init__(self, bench: Bench, pool: Pool, began: float, every: float = 15) -> None:
        self._bench, self._pool, self._began, self._every = bench, pool, began, every
        self._horizon, self.samples = Horizon(), Samples(lateness_of=FIRST_LINE)
        self._began_at = time.time() - (time.monotonic() - began)

    async def run(self) -> None:
        """Take samples without an end."""
        cpu = self._bench.cpu()
        async with acquire(self._pool) as db:
            since = await db.fetchval("SELECT clock_timestamp()")
        for n in range(1, 1_000_000):
            await asyncio.sleep(max(0.0, self._began + n * self._every - time.monotonic()))
            async with acquire(self._pool) as db:
                until = await db.fetchval("SELECT clock_timestamp()")
                values = await self._read(db, since, until)
            used = self._bench.cpu()
            seconds = (until - since).total_seconds()
            values |= {f"CPU {name}": (used[name] - cpu[name]) / seconds * 100 for name in used}
            values |= {f"memory {name}": size for name, size in memory(self._bench).items()}
            self.samples.add(time.monotonic() - self._began, values)
            cpu, since = used, until

    async def _read(self, db: Connection, since: datetime, until: datetime) -> dict[str, float]:
        record = await db.fetchrow(_DATABASE)
        assert record is not None
        by_table = {name: size / _MIB for name, size in (await sizes(db)).items()}
        lines = sum(by_table[name] for name in LINES)
        hot = sum(by_table.values()) - lines
        ended, late = await self._late(db, since - LAG, until - LAG)
        values = {
            "runs/s": ended / (until - since).total_seconds(),
            "lateness p50": percentile(late, 0.5),
            "lateness p99": percentile(late, 0.99),
            "hot tables": hot,
            "lines for ever": lines,
            "database without lines": record["bytes"] / _MIB - lines,
            "feed horizon": await self._horizon.age(db),
            **{
                name: float(record[name])
                for name in ("dead", "connections", "archives", "lines", "dead_letters", "overdue")
            },
        }
        return values | {f"table {name}": by_table[name] for name in by_table if name not in LINES}

    async def _late(self, db: Connection, since: datetime, until: datetime) -> tuple[int, list[float]]:
        """How many runs ended, and the milliseconds that they were late, in order."""
        found = await db.fetch(_LATE, since, until)
        for record in found:
            if record["late"] is not None:
                self.samples.late.setdefault(int(record["due"] - self._began_at), []).append(record["late"])
            second = int(record["ended"] - self._began_at)
            self.samples.ended[second] = self.samples.ended.get(second, 0) + 1
        return len(found), sorted(record["late"] for record in found if record["late"] is not None)


def memory(bench: Bench) -> dict[str, float]:
    """MiB of each service and server with their children; pages that several processes share count once."""
    servers = (bench.stack.postgres, bench.stack.rabbitmq, bench.stack.redis)
    running = [(name, service.process) for name, service in bench.services.items()]
    running += [(server.name, getattr(server, "process", None)) for server in servers]
    return {name: _proportional(process.pid) / _MIB for name, process in running if process is not None}


def _proportional(pid: int) -> int:
    total = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
