"""A scheduler archives by itself. Killed while it does, each period leaves once, and every run is accounted for."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from duebook_common.archives.chain import recorded_manifests
from duebook_common.archives.check import check_archives
from duebook_common.archives.folder import Folder
from duebook_common.integrity.verify import verify
from duebook_common.store.archive_handling import chain
from duebook_common.store.database import acquire, connect, transaction
from duebook_common.store.partitions import open_period, periods
from support.fleet import Platform, eventually
from support.leaving import all_periods
from support.load import launch

_JOBS = 100  # of each period
# Facts about a period on its way out: the scheduler is killed soon after one holds, at whatever step it is by then.
# That it goes on wherever it was killed is certain in `integration/archives/test_archiver_faults.py` alone.
_LEAVING = "SELECT EXISTS (SELECT FROM periods WHERE status IN ('closed', 'leaving'))"
_MOMENTS = {
    "it was sealed": (  # or, where the look came late, its archive is recorded too
        "SELECT EXISTS (SELECT FROM periods WHERE status = 'leaving') OR (SELECT count(*) FROM archives) > $1"
    ),
    "its archive was recorded": "SELECT (SELECT count(*) FROM archives) > $1",
    "its first runs have lines": "SELECT EXISTS (SELECT FROM ledger_lines WHERE archive > $1)",
    "its jobs have lines": "SELECT EXISTS (SELECT FROM archived_jobs WHERE archive > $1)",
}
# What mails are owed for stays, so the period has nothing to archive before.
_SETTLED = """
SELECT count(*) = {jobs} AND NOT EXISTS (SELECT FROM mails_owed) FROM runs WHERE job_name = '{name}'
    AND status = 'succeeded' AND finished_at < clock_timestamp() - interval '1 s'
"""
_COUNTS = """
SELECT (SELECT count(*) FROM runs WHERE status = 'succeeded') AS runs, (SELECT count(*) FROM ledger_lines) AS lines,
       (SELECT count(*) FROM runs JOIN ledger_lines USING (run_id)) AS both
"""


def test_each_period_leaves_once_however_often_its_scheduler_is_killed(platform: Platform, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    if now < now.replace(day=1, hour=2, minute=0):
        pytest.skip("the periods of this test lie at the begin of a month, and must be an hour old")
    launch(platform, api=1, executor=1, scheduler=1, notifier=1)
    archives = {"DUEBOOK_RETENTION": "PT1H", "DUEBOOK_ARCHIVE_URL": str(tmp_path)}
    url = platform.environment["DUEBOOK_POSTGRES_URL"]
    series = platform.create(name="series", recurrence={"every": "PT1S"}, overlap="allow_all")
    created = 0
    for archived, fact in enumerate(_MOMENTS.values()):
        created += create_jobs(platform, f"period {archived}")
        asyncio.run(end_period(url))
        [killed] = platform.launch("scheduler", 1, archives)
        asyncio.run(wait_for(url, fact, archived))
        killed.kill()
    platform.launch("scheduler", 1, archives)
    eventually(lambda: platform.get("/api/system")["archives"]["count"] == len(_MOMENTS), 60)
    eventually(lambda: not asyncio.run(holds(url, _LEAVING)), 60)
    asyncio.run(must_be_whole(url, tmp_path, created))
    ledger = platform.get(f"/api/job/{series['id']}/ledger?limit=200")
    assert ledger["unaccounted"] == 0
    assert any(item["archived"] for item in ledger["items"])


def create_jobs(platform: Platform, name: str) -> int:
    """Jobs that have succeeded."""
    body = {"jobs": [{"name": name, "payload": {"n": n}} for n in range(_JOBS)]}
    platform.api.post("/api/job/batch", json=body).raise_for_status()

    succeeded = _SETTLED.format(name=name, jobs=_JOBS)
    eventually(lambda: asyncio.run(holds(platform.environment["DUEBOOK_POSTGRES_URL"], succeeded)), 60)
    return _JOBS


async def end_period(url: str) -> None:
    """Open the next period, by the name of a time more than an hour ago: a minute after the last one."""
    async with connect(url, "tests", 2) as pool, transaction(pool) as db:
        last = (await periods(db))[-1].born
        assert await open_period(db, last + timedelta(minutes=1))


async def holds(url: str, fact: str) -> bool:
    db = await asyncpg.connect(url)
    try:
        return bool(await db.fetchval(fact))
    finally:
        await db.close()


async def wait_for(url: str, fact: str, archived: int) -> None:
    """Returns as soon as it holds for the period after the first `archived` ones."""
    db = await asyncpg.connect(url)
    try:
        deadline = time.monotonic() + 60
        while not await db.fetchval(fact, archived):
            assert time.monotonic() < deadline, fact
            await asyncio.sleep(0.001)
    finally:
        await db.close()


async def must_be_whole(url: str, folder: Path, created: int) -> None:
    async with connect(url, "tests", 3) as pool:
        async with acquire(pool) as db:
            known = recorded_manifests(await chain(db))
        assert len(known) == len(_MOMENTS)
        assert [fault async for fault in check_archives(Folder(str(folder)), known)] == []
        assert Counter(p.status for p in await all_periods(pool)) == {"archived": len(_MOMENTS), "open": 1}
        assert list((await verify(pool)).breaches) == []
        counts: Any = await pool.fetchrow(_COUNTS)
        series = await pool.fetchval("SELECT job_id FROM jobs WHERE name = 'series'")
        assert counts["both"] == 0
        assert counts["lines"] >= created
        assert await accounted(pool, series) == created


async def accounted(pool: Any, series: UUID) -> int:
    """How many one-off jobs have a run or a line."""
    runs = "SELECT job_id FROM runs UNION ALL SELECT job_id FROM ledger_lines"
    return int(await pool.fetchval(f"SELECT count(*) FROM ({runs}) AS known WHERE job_id <> $1", series))
