"""A period that leaves the database by the archiver, and what stops the archiver on its way."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from duebook_common.archives.chain import RecordedManifest, recorded_manifests
from duebook_common.archives.check import check_archives
from duebook_common.archives.folder import Folder
from duebook_common.domain.run.commands import FailAttempt, Succeed
from duebook_common.integrity.verify import verify
from duebook_common.store.archive_handling import chain
from duebook_common.store.database import Pool, acquire, transaction
from duebook_common.store.partitions import open_period
from support.archives import LATER
from support.bookkeeping import NOW, created, do, started

LONG_AGO = timedelta(days=400_000)


async def with_history(pool: Pool) -> Any:
    """Two runs that ended, a dead letter and a running one, in a period that has ended; returns the period's start."""
    for _ in range(2):
        await do(pool, await started(pool), Succeed(1, {"rows": 3}, NOW))
    await do(pool, await started(pool, max_retries=0), FailAttempt(1, "boom", NOW, chance=0.5, retry=False))
    await started(pool)
    await created(pool)
    born = await pool.fetchval("SELECT born FROM periods")
    await end_period(pool, LATER)
    return born


async def end_period(pool: Pool, end: datetime) -> None:
    async with transaction(pool) as db:
        assert await open_period(db, end)


async def recorded(pool: Pool) -> list[RecordedManifest]:
    async with acquire(pool) as db:
        return recorded_manifests(await chain(db))


async def must_have_left(pool: Pool, folder: Path, born: Any) -> None:
    """The period's archive is sound, what had ended has lines, and what had not is where it was."""
    target = Folder(str(folder))
    assert not [fault async for fault in check_archives(target, await recorded(pool))]
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "archived"
    assert await pool.fetchval("SELECT count(*) FROM events WHERE born = $1", born) == 0
    assert await statuses(pool, "ledger_lines") == {"succeeded": 2}
    assert await statuses(pool, "runs") == {"dead_lettered": 1, "running": 1}
    assert (await verify(pool, LONG_AGO)).breaches == []


async def statuses(pool: Pool, table: str) -> dict[str, int]:
    return {
        row["status"]: row["n"] for row in await pool.fetch(f"SELECT status, count(*) AS n FROM {table} GROUP BY 1")
    }


class Killed(BaseException):
    """Ends a process at a step."""


def kill(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool, at: int = 1, by: Any = Killed) -> None:
    """Let this call of a step be the last thing that happens, or the one before."""
    step, calls = getattr(owner, name), 0

    async def killed(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and not after:
            raise by
        result = await step(*arguments, **more)
        if calls == at:
            raise by
        return result

    monkeypatch.setattr(owner, name, killed)


# It waits: the lock is free only once the session has ended, some time after it was told to.
_END_SESSION = """
SELECT bool_and(pg_terminate_backend(pid, 60000)) FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE locktype = 'advisory' AND objid = 7246 AND datname = current_database()
"""


async def lose_the_lock(pool: Pool) -> None:
    """End the session of the process that archives: another one can begin."""
    assert await pool.fetchval(_END_SESSION)
