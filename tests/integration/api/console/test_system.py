"""The page of the installation."""

import asyncio
from uuid import uuid4

from duebook_common.store.database import Pool
from support.api_app import Api
from support.console import get

HOSTILE = "</script><img src=x onerror=alert(1)>"


async def test_an_empty_installation_shows_its_tables_and_how_to_start_services(api: Api) -> None:
    page = await get(api, "/console/system")
    assert "No service has written a heartbeat" in page
    assert "duebook-scheduler" in page
    assert ">events<" in page


async def test_services_and_settings_are_shown(api: Api, pool: Pool) -> None:
    for n, version in enumerate(("1.2.3", HOSTILE)):
        await pool.execute(
            "INSERT INTO services (instance_id, service, host, version, schema, tzdata, settings, started_at, seen_at)"
            " VALUES ($1, 'api', $2, $3, '0001_baseline', '2026a', $4, now(), clock_timestamp())",
            uuid4(),
            f"host-{n}",
            version,
            {"DUEBOOK_LEASE": f"PT{n}S", "DUEBOOK_QUEUES": [HOSTILE]},
        )
    page = await get(api, "/console/system")
    assert "2 processes of 1 service run: api." in page
    assert "Services have different versions" in page
    assert "Services differ in DUEBOOK_LEASE." in page
    assert "<img" not in page


async def test_a_lost_process_is_seen_from_every_page_for_a_day(api: Api, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO services (instance_id, service, host, version, schema, tzdata, settings, started_at, seen_at)"
        " SELECT gen_random_uuid(), service, 'h', '1', '1', '1', '{}', now(), now() - age::interval FROM (VALUES"
        " ('executor', '0 s'), ('executor', '2 min'), ('scheduler', '2 min'), ('notifier', '25 h')) AS s (service, age)"
    )
    async with asyncio.timeout(30):
        while "no scheduler</span>" not in (page := await get(api, "/console/jobs")):
            await asyncio.sleep(0.1)
    assert "1 lost</span>" in page
    assert "services lost" not in page
