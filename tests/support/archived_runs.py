"""Runs that leave for an archive, as the archiver lets them leave, without files."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.archive import LogArchived
from duebook_common.domain.periods import period_name
from duebook_common.store.actor import Actor
from duebook_common.store.archive_handling import last_archive, record_archive
from duebook_common.store.database import Pool, transaction
from duebook_common.store.ledger_lines import move_jobs_to_lines, move_to_lines

_DROP = """
DELETE FROM events WHERE stream LIKE 'run-%' AND EXISTS (SELECT FROM ledger_lines WHERE 'run-' || run_id = stream)
    OR stream LIKE 'job-%' AND EXISTS (SELECT FROM archived_jobs WHERE 'job-' || job_id = stream)
"""
NOW = datetime(2026, 12, 1, tzinfo=UTC)


async def archive_runs(pool: Pool, run_ids: Iterable[Any], job_ids: Iterable[Any] = (), **fields: Any) -> int:
    """Record an archive, and let these runs and jobs leave; returns how many rows have left."""
    async with transaction(pool) as db:
        number, link, previous = await last_archive(db)
        month = datetime(2026, number + 1, 1, tzinfo=UTC)
        start, end = month, month + timedelta(days=31)
        archived = LogArchived(
            number=number + 1,
            period=period_name(start, end),
            start=start,
            end=end,
            digest=f"{number + 1:064}",
            address="/archives",
            **{"previous": previous, "events": 1, "bytes": 1, "last_xid": None, "last_position": None} | fields,
            at=NOW,
        )
        await record_archive(db, archived, link + 1, Actor("test"))
        runs, jobs = ([UUID(str(id_)) for id_ in ids] for ids in (run_ids, job_ids))
        count = await move_to_lines(db, runs, number + 1) + await move_jobs_to_lines(db, jobs, number + 1)
        await db.execute("ALTER TABLE events DISABLE TRIGGER USER")
        await db.execute(_DROP)
        await db.execute("ALTER TABLE events ENABLE TRIGGER USER")
    return count
