"""A report of the sales of each day, written in the night after it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from queue import SimpleQueue
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from duebook import Context, Fail, resource, task

TABLES = """
CREATE TABLE IF NOT EXISTS sales (day TEXT, shop TEXT, cents INTEGER);
CREATE TABLE IF NOT EXISTS reports (day TEXT, shop TEXT, cents INTEGER, PRIMARY KEY (day, shop));
"""


class Pool:
    """Connections to SQLite, each for one attempt at a time. asyncpg has a pool of its own, which you take instead."""

    def __init__(self, path: str, size: int = 4) -> None:
        self._free: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for _ in range(size):
            self._free.put(sqlite3.connect(path, check_same_thread=False))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._free.get()
        try:
            with connection:
                yield connection
        finally:
            self._free.put(connection)

    def close(self) -> None:
        while not self._free.empty():
            self._free.get().close()


@resource
def pool() -> Iterator[Pool]:
    """Open once for each executor, before its first attempt."""
    pool = Pool(os.environ.get("SALES_DB", "sales.db"))
    with pool.transaction() as connection:
        connection.executescript(TABLES)
    yield pool
    pool.close()


class Report(BaseModel):
    shop: str
    timezone: str = "Europe/Berlin"


class Written(BaseModel):
    day: str
    cents: int


@task("report.nightly", timeout=600, max_retries=5)
def nightly(report: Report, context: Context, pool: Pool) -> Written:
    """The day is that before the due time, not before now: so a late run and a backfill report on the right one."""
    if not report.shop:
        raise Fail("a report needs a shop", retry=False)
    day = (context.nominal_at.astimezone(ZoneInfo(report.timezone)).date() - timedelta(days=1)).isoformat()
    with pool.transaction() as connection:
        query = "SELECT coalesce(sum(cents), 0) FROM sales WHERE (day, shop) = (?, ?)"
        cents: int = connection.execute(query, (day, report.shop)).fetchone()[0]
        # REPLACE: an attempt may come twice.
        connection.execute("REPLACE INTO reports VALUES (?, ?, ?)", (day, report.shop, cents))
    context.log("reported", day=day, cents=cents)
    return Written(day=day, cents=cents)
