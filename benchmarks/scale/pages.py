"""The server time of every page of the console, and of every list, overview and statistics route.

The time is that from a request to its answer, one request at a time, as a client on the same machine sees it. All paths
take turns, so that what the api keeps for a second is mostly not there, and so that other load falls on all of them.
"""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.scale.paths import PAGES, ROUTES

ROUNDS = 40


@dataclass(frozen=True)
class Served:
    """The milliseconds of one path."""

    path: str
    status: int
    p50: float
    p95: float
    least: float


def serve_all(bench: Bench, ids: Mapping[str, str], rounds: int = ROUNDS, of: str = "") -> list[Served]:
    """Ask each path whose text contains `of` once in each round."""
    paths = [path.format_map(ids) for path in (*PAGES, *ROUTES) if of in path]
    statuses = {path: bench.api.get(path).status_code for path in paths}
    times: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(rounds):
        for path in paths:
            start = time.perf_counter()
            bench.api.get(path)
            times[path].append((time.perf_counter() - start) * 1000)
    return [_served(path, statuses[path], sorted(times[path])) for path in paths]


def _served(path: str, status: int, times: list[float]) -> Served:
    return Served(path, status, statistics.median(times), times[int(len(times) * 0.95)], times[0])
