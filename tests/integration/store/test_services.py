"""The rows of running services: renewed, marked while they drain, and gone when they stop."""

from datetime import UTC, datetime
from typing import Any

import pytest
import uuid_utils.compat as uuids

from duebook_common.runtime.health import Health
from duebook_common.runtime.settings import Settings, read
from duebook_common.store import services
from duebook_common.store.database import Clock, Pool
from duebook_common.store.predicates import PRESENCE
from duebook_common.store.services import Instance, Presence, present
from support.bookkeeping import eventually

SETTINGS = read(Settings, {"DUEBOOK_POSTGRES_URL": "postgresql://duebook:s3cret@db/duebook"})
STARTED = datetime(2026, 6, 1, 12, tzinfo=UTC)
SILENT = "UPDATE services SET seen_at = clock_timestamp() - $1::text::interval"
ROWS = f"SELECT *, {PRESENCE} AS state FROM services"


def presence(pool: Pool, health: Health | None = None, service: str = "api") -> Presence:
    return Presence(pool, Instance(uuids.uuid7(), service, SETTINGS, STARTED), health or Health())


async def rows(pool: Pool) -> list[Any]:
    return list(await pool.fetch(ROWS))


async def states(pool: Pool) -> list[str]:
    return [row["state"] for row in await rows(pool)]


async def test_a_service_says_what_it_is_and_no_secret(pool: Pool) -> None:
    await presence(pool).step()
    [row] = await rows(pool)
    assert (row["service"], row["state"], row["started_at"]) == ("api", "alive", STARTED)
    assert row["settings"]["DUEBOOK_GRACE"] == "PT25S"
    assert "s3cret" not in str(dict(row))


async def test_a_service_that_drains_is_marked_at_once(pool: Pool) -> None:
    health = Health()
    one = presence(pool, health)
    await one.step()
    health.draining = True
    await one.step()
    assert await states(pool) == ["draining"]
    await one.leave()
    assert await states(pool) == []


async def test_a_service_that_was_silent_for_a_minute_is_lost_until_it_returns(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = presence(pool)
    await one.step()
    await pool.execute(SILENT, "61 seconds")
    assert await states(pool) == ["lost"]
    await one.step()
    assert await states(pool) == ["lost"], "it is not yet time to renew"
    monkeypatch.setattr(services, "_RENEW_SECONDS", 0.0)
    one = presence(pool)
    await one.step()
    await pool.execute(SILENT, "61 seconds")
    await one.step()
    assert "alive" in await states(pool)


async def test_a_row_that_the_database_lost_is_made_anew(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_RENEW_SECONDS", 0.0)
    one = presence(pool)
    await one.step()
    await pool.execute("TRUNCATE services")
    await one.step()
    assert await states(pool) == ["alive"]


async def test_a_lost_service_is_forgotten_after_a_day(pool: Pool) -> None:
    await presence(pool, service="scheduler").step()
    await pool.execute(SILENT, "25 hours")
    await presence(pool).step()
    assert [row["service"] for row in await rows(pool)] == ["api"]


async def test_a_process_is_present_while_its_block_runs(pool: Pool) -> None:
    async with present(pool, "notifier", SETTINGS, Health(), Clock()):

        async def is_alive() -> bool:
            return await states(pool) == ["alive"]

        await eventually(is_alive)
    assert await states(pool) == []
