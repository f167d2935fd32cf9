"""How long the processes that answer a request have run: the same whatever else the machine does."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg

from benchmarks.bench import Bench

_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'duebook-api'"


class Processes(NamedTuple):
    """The api, and its connections in PostgreSQL, of which a request uses one after the other."""

    api: int
    backends: Sequence[int]


async def processes(bench: Bench) -> Processes:
    db = await asyncpg.connect(bench.stack.postgres.url)
    try:
        backends = [record["pid"] for record in await db.fetch(_BACKENDS)]
    finally:
        await db.close()
    process = bench.services["api"].process
    assert process is not None
    return Processes(process.pid, backends)


def core_times(of: Processes) -> list[float]:
    """The milliseconds for which the event loop and each connection have run so far."""
    return [*map(_core_time, (of.api, *of.backends))]


def core_time(before: Sequence[float], after: Sequence[float]) -> float:
    """That of one request: of the connections only the busiest one counts, since others may work for other loops."""
    api, *backends = (later - earlier for earlier, later in zip(before, after, strict=True))
    return api + max(backends, default=0.0)


def _core_time(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
