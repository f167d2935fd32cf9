"""Servers and services with the filled database, which a directory of one's own keeps for the next measurement."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg

from benchmarks.bench import Bench
from benchmarks.scale.fill import fill
from duebook_common.integrity.migrate import migrate
from duebook_devstack.stack import Stack

_HAS_JOBS = "SELECT EXISTS (SELECT FROM jobs)"


@contextmanager
def filled(path: Path | None) -> Iterator[Bench]:
    """A bench on servers whose data is in `path`, or is removed in the end."""
    with ExitStack() as exits:
        path = path or Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="duebook-bench-")))
        path.mkdir(exist_ok=True)
        path.chmod(0o711)
        stack = exits.enter_context(Stack(path, report=_report))
        migrate(stack.postgres.url)
        if not asyncio.run(_has_jobs(stack.postgres.url)):
            _report("filling the database, which takes some minutes")
            asyncio.run(fill(stack.postgres.url))
        bench = Bench(stack)
        exits.callback(bench.stop)
        bench.start()
        yield bench


def _report(line: str) -> None:
    print(line, file=sys.stderr)


async def _has_jobs(url: str) -> bool:
    db = await asyncpg.connect(url)
    try:
        return bool(await db.fetchval(_HAS_JOBS))
    finally:
        await db.close()
