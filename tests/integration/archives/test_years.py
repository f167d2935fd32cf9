"""Months with an archive for each say the same as months that were never archived, and take no more and more rows.

Longer with DUEBOOK_TEST_MONTHS and DUEBOOK_TEST_JOBS: 60 and 200 are five years.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from duebook_common.archives.archiver import Archiver
from duebook_common.archives.chain import RecordedManifest, recorded_manifests
from duebook_common.archives.check import check_archives
from duebook_common.archives.folder import Folder
from duebook_common.integrity.verify import verify
from duebook_common.store.archive_handling import chain
from duebook_common.store.database import UNAVAILABLE, Pool, acquire, connect
from support import servers
from support.api_app import Api, running_api
from support.bookkeeping import ACTOR
from support.years import KINDS, START, Life

MONTHS = int(os.environ.get("DUEBOOK_TEST_MONTHS", "7"))
JOBS = int(os.environ.get("DUEBOOK_TEST_JOBS", str(KINDS)))
LONG = timedelta(days=400_000)
# What leaves with its period: all but the streams of recurring jobs, and of the installation.
_ROWS = """
SELECT (SELECT count(*) FROM events WHERE born > '-infinity') + (SELECT count(*) FROM runs)
     + (SELECT count(*) FROM jobs WHERE born > '-infinity')
"""
_BYTES = """
SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relname <> 'events_kept'
    AND (oid IN (SELECT inhrelid FROM pg_inherits) OR relname IN ('runs', 'jobs', 'mails'))
"""
_KEPT = "SELECT count(*) FROM events_kept"
_RUNS = "SELECT count(*) FROM runs"
_VACUUM = "VACUUM (ANALYZE) runs, jobs, mails"  # the months pass too fast for autovacuum
_RANGE = timedelta(days=90)  # at most 200 nominal times of any kind
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_MOST_KILLS = 4  # of the archiver, in one month


@pytest.fixture
def twin_url(_postgres: servers.ServerInfo) -> Iterator[str]:
    with servers.database(_postgres) as url:
        yield url


async def test_archived_months_say_what_kept_ones_say(postgres_url: str, twin_url: str, tmp_path: Path) -> None:
    async with (
        connect(postgres_url, "archived", 10) as archived,
        connect(twin_url, "twin", 10) as kept,
        connect(postgres_url, "archiver", 4) as own,
    ):
        lives = [Life(archived, JOBS), Life(kept, JOBS, kept=True)]
        keeper = Keeper(own, lives[0], tmp_path)
        await asyncio.gather(*(life.begin() for life in lives))
        rows, sizes, began = [], [], time.monotonic()
        for n in range(MONTHS):
            await asyncio.gather(*(live_a_month(life) for life in lives))
            await keeper.archive_old_periods()
            for pool in (archived, kept):
                await pool.execute(_VACUUM)
            rows.append(await archived.fetchval(_ROWS))
            sizes.append(await archived.fetchval(_BYTES))
            print(f"month {n + 1} after {time.monotonic() - began:.0f} s, {keeper.kills} kills", flush=True)
        print("rows", rows, "MB", [size // 1_000_000 for size in sizes], "kept", await archived.fetchval(_KEPT))
        assert keeper.kills > MONTHS / 3 or MONTHS < 24
        await must_be_the_same(lives, postgres_url, twin_url)
        print(f"equal after {time.monotonic() - began:.0f} s, {await kept.fetchval(_RUNS)} runs", flush=True)
        assert (await verify(archived, LONG)).breaches == (await verify(kept, LONG)).breaches == []
        assert [fault async for fault in check_archives(Folder(str(tmp_path)), await recorded(archived))] == []
        print(f"verified after {time.monotonic() - began:.0f} s", flush=True)
        assert max(rows[4:]) < 1.2 * max(rows[2:4]), rows  # what is open is at most six weeks older than what is kept
        assert max(sizes[4:]) < 1.3 * max(sizes[2:4]), sizes
        assert rows[-1] < await kept.fetchval(_ROWS) / 2
        assert await archived.fetchval(_KEPT) < 6 * JOBS * MONTHS


async def recorded(pool: Pool) -> list[RecordedManifest]:
    async with acquire(pool) as db:
        found = recorded_manifests(await chain(db))
    assert len(found) >= MONTHS - 2
    return found


async def live_a_month(life: Life) -> None:
    month = life.now.month
    while life.now.month == month:
        await life.live_a_day()


class Keeper:
    """Archives all that has ended longer ago than a month, by an archiver that is killed at random.

    The pool is its own: a kill within a statement may leave a connection that the driver has to drop.
    """

    def __init__(self, pool: Pool, life: Life, folder: Path) -> None:
        self._life = life
        self._archiver = Archiver(pool, Folder(str(folder)), ACTOR)
        self._took = 0.1  # seconds: about how long it takes without a kill
        self.kills = 0

    async def archive_old_periods(self) -> None:
        """Each kill comes at any time of the work, which goes on with what is left of it."""
        before = self.kills
        for _ in range(random.randint(0, _MOST_KILLS)):
            with suppress(*UNAVAILABLE):  # as the driver says where it was stopped within a statement
                async with asyncio.timeout(random.uniform(0, self._took)):
                    await self._archive()
                    break
            self.kills += 1
        began = time.monotonic()
        tries = 1
        while not await self._is_done():
            assert (tries := tries + 1) < 10
        if self.kills == before:
            self._took = max(self._took, time.monotonic() - began)

    async def _is_done(self) -> bool:
        """Go on; False where a connection was broken that a kill has left."""
        with suppress(*UNAVAILABLE):
            await self._archive()
            return True
        return False

    async def _archive(self) -> None:
        retention = datetime.now(UTC) - self._life.now + timedelta(days=25)
        while await self._archiver.archive_due(retention) is not None:
            pass


async def must_be_the_same(lives: list[Life], *urls: str) -> None:
    async with running_api(urls[0]) as archived, running_api(urls[1]) as kept:
        life = lives[0]
        for api in (archived, kept):
            api.pass_time(life.now - api.deps.clock.now())
        for job_id in life.jobs:
            assert await ledger(archived, life, job_id) == await ledger(kept, life, job_id), job_id
            summary = f"/api/job/{job_id}/ledger/summary"
            assert await archived.json(200, "GET", summary) == await kept.json(200, "GET", summary)
        for job_id in life.jobs[:KINDS]:
            await must_have_the_same_reasons(archived, kept, life, job_id)
            assert await backfilled(archived, job_id) == await backfilled(kept, job_id)
            assert await ledger(archived, life, job_id) == await ledger(kept, life, job_id), job_id
        assert await forecast(archived, life) == await forecast(kept, life)


async def must_have_the_same_reasons(archived: Api, kept: Api, life: Life, job_id: Any) -> None:
    """Of each kind of outcome, `why` of the first occurrence says the same, or where the rest is."""
    firsts: dict[tuple[str, str], str] = {}
    for item in await ledger(kept, life, job_id):
        firsts.setdefault((item["outcome"], (item["reason"] or "")[:8]), item["nominal_at"])
    for (outcome, _), at in firsts.items():
        path = f"/api/job/{job_id}/why?at={at}"
        says, known = [(await api.json(200, "GET", path))["answer"] for api in (archived, kept)]
        if says != known:
            what, source, _ = says.partition(" This is what its ledger line says; its events are in the archive ")
            assert source, (says, known)
            assert what == known or outcome != "succeeded", (what, known)


async def ledger(api: Api, life: Life, job_id: Any) -> list[Any]:
    """The whole ledger. A page costs what its range does, so each page has a range of its own."""
    items, start = list[Any](), START
    while start < life.now:
        end = start + _RANGE
        page = await api.json(200, "GET", f"/api/job/{job_id}/ledger?limit=200&from={start:{_TIME}}&to={end:{_TIME}}")
        assert page["next_cursor"] is None
        items += page["items"]
        start = end
    return [{name: value for name, value in item.items() if name != "archived"} for item in items]


async def backfilled(api: Api, job_id: Any) -> list[Any]:
    """What a backfill of the first days that were missed runs."""
    span = {"from": "2200-03-01T00:00:00Z", "to": "2200-03-20T00:00:00Z"}
    answer = await api.json(202, "POST", f"/api/job/{job_id}/backfill", span)
    return [(item["id"], item["nominal_at"]) for item in answer["items"]]


async def forecast(api: Api, life: Life) -> Any:
    until = life.now + timedelta(days=20)
    span = {"from": f"{life.now:%Y-%m-%dT%H:%M:%SZ}", "to": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
    return await api.json(200, "POST", "/api/schedule/forecast", span)
