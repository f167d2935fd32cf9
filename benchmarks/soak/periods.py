"""Periods of minutes, so that an hour sees many of them leave."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from benchmarks.bench import Bench
from duebook_common.store.database import Pool, transaction
from duebook_common.store.partitions import open_period

RETENTION = timedelta(hours=1)  # the shortest that a scheduler accepts
_ARCHIVING = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7246 AND granted)"
_LOOK = 0.2  # seconds


def let_periods_leave(bench: Bench) -> None:
    """Set the shortest retention, and a folder for archives, for services that have not been started."""
    archives = bench.stack.stack_dir.path / "archives"
    archives.mkdir()
    bench.set_environment(DUEBOOK_RETENTION=f"PT{RETENTION.total_seconds():.0f}S", DUEBOOK_ARCHIVE_URL=str(archives))


class Periods:
    """Opens a period every so many minutes, and notes when a scheduler archives one.

    A period has the name of a time before it, by the shortest retention less `kept`: so it leaves when it is as old as
    `kept`. `archiving` has the begin and end of each stretch of time in which one left, in seconds since `began`.
    """

    def __init__(self, pool: Pool, length: timedelta, kept: timedelta, began: float) -> None:
        self._pool, self._length, self._before, self._began = pool, length, RETENTION - kept, began
        self.archiving: list[list[float]] = []

    async def open_all(self) -> None:
        """Open the next period whenever one has ended, without an end."""
        while True:
            start = datetime.now(UTC).replace(second=0, microsecond=0) - self._before
            async with transaction(self._pool) as db:
                await open_period(db, start)
            await asyncio.sleep(self._length.total_seconds())

    async def watch(self) -> None:
        """Note when a scheduler archives, without an end. Looking for work takes the same lock, but no fifth second."""
        before = False
        while True:
            now, archives = time.monotonic() - self._began, await self._pool.fetchval(_ARCHIVING)
            if archives and before:
                self.archiving[-1][1] = now
            elif archives:
                self.archiving.append([now, now])
            before = archives
            await asyncio.sleep(_LOOK)
