"""What is sampled while the horizon is held, and the table of it by phases."""

import asyncio
import time
from enum import StrEnum
from statistics import fmean

import httpx2
from rich.table import Table

from benchmarks.bench import Bench
from benchmarks.soak.readers import Readers
from benchmarks.soak.samples import memory, percentile
from benchmarks.storage import sizes
from duebook_common.store.database import Connection, Pool, acquire

_EVERY = 5.0
_MIB = 2**20
_GAUGES = ("duebook_feed_horizon_age_seconds", "duebook_relay_lag_events", "duebook_oldest_xmin_age_transactions")
_PAGES = {"list of runs": "/api/run?limit=20", "console": "/console", "page of runs": "/console/runs"}
_TABLES = ("runs", "jobs", "events", "executors")
_DEAD = "SELECT relname, n_dead_tup FROM pg_stat_user_tables WHERE relname = ANY($1) OR relname ~ '^runs_'"
_LATE = """
SELECT count(*) AS ended, array_agg((extract(epoch FROM started_at - due_at) * 1000)::float8) AS late
FROM runs WHERE finished_at > now() - make_interval(secs => $1) AND due_at IS NOT NULL AND started_at IS NOT NULL
"""


class Phase(StrEnum):
    BEFORE = "before"
    HELD = "held"
    RELEASED = "catching up"
    AFTER = "after"


class HoldSampler:
    """Samples, each with the phase that it was taken in."""

    def __init__(self, bench: Bench, pool: Pool, readers: Readers, began: float) -> None:
        self._bench, self._pool, self._readers, self._began = bench, pool, readers, began
        self.phase, self.samples = Phase.BEFORE, list[tuple[Phase, float, dict[str, float]]]()

    async def run(self) -> None:
        """Take samples without an end."""
        cpu, before = self._bench.cpu(), time.monotonic()
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
            while True:
                await asyncio.sleep(_EVERY)
                used, now = self._bench.cpu(), time.monotonic()
                values = {f"CPU {name}, %": (used[name] - cpu[name]) / (now - before) * 100 for name in used}
                cpu, before = used, now
                async with acquire(self._pool) as db:
                    values |= await self._of_database(db)
                values |= {f"memory {name}, MiB": size for name, size in memory(self._bench).items()}
                values |= {"outcomes": float(len(self._readers.outcomes)), "mails": float(self._readers.mails)}
                values |= await self._of_http(http)
                self.samples.append((self.phase, now - self._began, values))

    async def _of_database(self, db: Connection) -> dict[str, float]:
        dead = {row["relname"]: row["n_dead_tup"] for row in await db.fetch(_DEAD, list(_TABLES))}
        row = await db.fetchrow(_LATE, _EVERY)
        assert row is not None
        late, size = sorted(row["late"] or []), await sizes(db)
        return {
            "runs a second": row["ended"] / _EVERY,
            "lateness p50, ms": percentile(late, 0.5),
            "lateness p99, ms": percentile(late, 0.99),
            "dead rows of runs": float(sum(count for name, count in dead.items() if name.startswith("runs"))),
            "dead rows of jobs": float(dead.get("jobs", 0)),
            **{f"table {name}, MiB": size[name] / _MIB for name in _TABLES if name in size},
        }

    async def _of_http(self, http: httpx2.AsyncClient) -> dict[str, float]:
        found: dict[str, float] = {}
        for kind in ("api", "scheduler"):
            found |= gauges((await http.get(f"{self._bench.services[kind].url}/metrics")).text)
        for name, path in _PAGES.items():
            start = time.monotonic()
            answer = await http.get(self._bench.services["api"].url + path, follow_redirects=True)
            found |= {f"{name}, ms": (time.monotonic() - start) * 1000} if answer.is_success else {}
        return found


def gauges(text: str) -> dict[str, float]:
    """The gauges that tell of the horizon, of the text of `/metrics`."""
    lines = (line.rpartition(" ") for line in text.splitlines())
    return {name: float(value) for name, _, value in lines if name in _GAUGES}


def table(sampler: HoldSampler, title: str) -> Table:
    """One row for each series: its mean and its end before, while the horizon was held, and afterwards."""
    found = Table("", *(f"{phase}: mean, last" for phase in Phase), "most", title=title)
    for name in dict.fromkeys(name for _, _, values in sampler.samples for name in values):
        cells = [_cell(sampler.samples, phase, name) for phase in Phase]
        found.add_row(name, *cells, _number(max(values[name] for _, _, values in sampler.samples if name in values)))
    return found


def _cell(samples: list[tuple[Phase, float, dict[str, float]]], phase: Phase, name: str) -> str:
    values = [each[name] for when, _, each in samples if when is phase and name in each]
    return f"{_number(fmean(values))}, {_number(values[-1])}" if values else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
