"""Counts of all that matches, ledgers of a year, forecasts: those of one client wait for each other, others' do not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from duebook_common.store.database import Pool
from support.api_app import Api, running_api
from support.api_keys import FIRST, add_key
from support.bookkeeping import eventually

ALL = {"authorization": f"Bearer {FIRST}"}
DRY_RUN = {"action": "cancel", "filter": {"all": True}, "dry_run": True}
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM runs%' AND state = 'active'
"""


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url, key=FIRST) as api:
        yield api


async def test_the_counts_of_one_client_take_one_connection(api: Api, pool: Pool) -> None:
    other = await add_key(api, "*")

    async def waiting(count: int) -> bool:
        return bool(await pool.fetchval(WAITING) == count)

    async with pool.acquire() as db, db.transaction():
        await db.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        mine = [asyncio.create_task(api.json(200, "POST", "/api/bulk", DRY_RUN, **ALL)) for _ in range(8)]
        await eventually(lambda: waiting(1))
        theirs = asyncio.create_task(api.json(200, "POST", "/api/bulk", DRY_RUN, **other))
        await eventually(lambda: waiting(2))
    assert await asyncio.gather(*mine, theirs) == [{"matched": 0}] * 9


async def test_the_forecasts_of_one_client_do_not_hold_up_those_of_others(api: Api, pool: Pool) -> None:
    other, now, order = await add_key(api, "*"), datetime.now(UTC), list[str]()
    window = {"from": now.isoformat(), "to": (now + timedelta(days=1)).isoformat()}

    async def ask(name: str, headers: dict[str, str]) -> None:
        await api.json(200, "POST", "/api/schedule/forecast", window, **headers)
        order.append(name)

    async def waiting(connections: int, clients: int) -> bool:
        used = [await pool.fetchval(WAITING), len(api.deps.forecasts._clients)]
        return used == [connections, clients]

    async with pool.acquire() as db, db.transaction():
        await db.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        mine = [asyncio.create_task(ask("mine", ALL)) for _ in range(8)]
        await eventually(lambda: waiting(1, 1))
        theirs = asyncio.create_task(ask("theirs", other))
        await eventually(lambda: waiting(1, 2))
    await asyncio.gather(*mine, theirs)
    assert order == ["mine", "theirs", *["mine"] * 7]
