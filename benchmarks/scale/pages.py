"""The server time of every page of the console, and of every list, overview and statistics route.

The time is that from a request to its answer, one request at a time, as a client on the same machine sees it. All paths
take turns, so that what the api keeps for a second is mostly not there, and so that other load falls on all of them.
The core time is that of the api's event loop and of PostgreSQL: about the whole time on a machine without other work.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.scale.core_time import Processes, core_time, core_times, processes
from benchmarks.scale.paths import PAGES, ROUTES

ROUNDS = 40


class Times(NamedTuple):
    """Milliseconds."""

    p50: float
    p95: float
    worst: float


class Served(NamedTuple):
    """The times of one path."""

    path: str
    status: int
    whole: Times
    core: Times


def serve_all(bench: Bench, ids: Mapping[str, str], rounds: int = ROUNDS, of: str = "", but: str = "") -> list[Served]:
    """Ask each path whose text contains `of`, and not `but` if it is given, once in each round."""
    paths = [path.format_map(ids) for path in (*PAGES, *ROUTES) if of in path and not (but and but in path)]
    statuses = {path: bench.api.get(path).status_code for path in paths}
    times: dict[str, list[tuple[float, float]]] = {path: [] for path in paths}
    for _ in range(rounds):
        of_request = asyncio.run(processes(bench))
        for path in paths:
            times[path].append(_ask(bench, path, of_request))
    return [Served(path, statuses[path], *map(_times, zip(*times[path], strict=True))) for path in paths]


def _ask(bench: Bench, path: str, of_request: Processes) -> tuple[float, float]:
    """The whole time and the core time."""
    before, start = core_times(of_request), time.perf_counter()
    bench.api.get(path)
    whole = (time.perf_counter() - start) * 1000
    return whole, core_time(before, core_times(of_request))


def _times(values: Sequence[float]) -> Times:
    ordered = sorted(values)
    return Times(ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)], ordered[-1])
