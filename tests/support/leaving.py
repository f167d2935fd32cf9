"""Periods that leave, step by step, as the archiver lets them, without files."""

from datetime import datetime, timedelta
from typing import Any

from duebook_common.domain.archive import LogArchived
from duebook_common.store.actor import Actor
from duebook_common.store.archive_handling import last_archive, record_archive
from duebook_common.store.database import Pool, transaction
from duebook_common.store.departure import drop, move_open, seal, settle
from duebook_common.store.partitions import Period, open_period, periods


async def all_periods(pool: Pool) -> list[Period]:
    async with transaction(pool) as db:
        return await periods(db)


async def close(pool: Pool) -> datetime:
    """Open the next period; returns the one that is closed now."""
    last = (await all_periods(pool))[-1].born
    async with transaction(pool) as db:
        assert await open_period(db, last + timedelta(days=40))
    return last


async def leave(pool: Pool, born: datetime) -> None:
    """Let the closed period leave. May be stopped anywhere, and repeated."""
    await move_open(pool, born)
    await seal(pool, born)
    await move_open(pool, born)
    assert await settle(pool, born, await archive(pool, born)) == 0
    await drop(pool, born)


async def archive(pool: Pool, born: datetime) -> int:
    """Record an archive of the period, once; returns its number."""
    period = f"{born:%Y-%m-%d}"
    async with transaction(pool) as db:
        recorded = await db.fetchval("SELECT number FROM archives WHERE period = $1", period)
        if recorded is not None:
            return int(recorded)
        number, link, previous = await last_archive(db)
        extent: dict[str, Any] = {"period": period, "start": born, "end": born + timedelta(days=40), "at": born}
        files: dict[str, Any] = {"address": "/archives", "events": 1, "bytes": 1, "last_xid": None}
        digest = f"{number + 1:064}"
        archived = LogArchived(
            number=number + 1, digest=digest, previous=previous, last_position=None, **extent, **files
        )
        await record_archive(db, archived, link + 1, Actor("test"))
    return number + 1
