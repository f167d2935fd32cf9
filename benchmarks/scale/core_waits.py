"""How long processes have waited for a core, which is what other programs on the machine cost them."""

import os
from collections.abc import Iterable
from pathlib import Path

import asyncpg

from benchmarks.bench import Bench

_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'duebook-api'"


async def processes(bench: Bench) -> list[int]:
    """Those that a request to the api needs one after the other: client, api, and its connections in PostgreSQL."""
    db = await asyncpg.connect(bench.stack.postgres.url)
    try:
        backends = [record["pid"] for record in await db.fetch(_BACKENDS)]
    finally:
        await db.close()
    process = bench.services["api"].process
    assert process is not None
    return [os.getpid(), process.pid, *backends]


def waited(pids: Iterable[int]) -> float:
    """The milliseconds for which the first threads of these processes were ready to run, and did not."""
    return sum(map(_waited, pids)) / 1e6


def _waited(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
