"""Advisory locks in PostgreSQL: only the process that holds the lock of a job or concurrency key decides about it.

Jobs and keys share 1,024 locks each (slices), because a batch with a lock per job would not fit into PostgreSQL's lock
table. A transaction acquires job locks before key locks, and each kind in sorted order, so no two deadlock.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID
from zlib import crc32

from duebook_common.store.database import Connection

# `paused_queues` in the schema shares the third.
_JOBS, _KEYS, _PAUSES, _BULK, _SLICES = 7238, 7240, 7242, 7243, 1024

_LOCK = "SELECT pg_advisory_xact_lock($1, slice) FROM unnest($2::int[]) AS slice"
_TRY_LOCK = "SELECT slice FROM unnest($2::int[]) AS slice WHERE pg_try_advisory_xact_lock($1, slice)"


def slice_of(job_id: UUID) -> int:
    return job_id.int % _SLICES


async def lock_jobs(db: Connection, job_ids: Iterable[UUID]) -> None:
    """Wait for the jobs' locks and hold them until the transaction ends."""
    await db.execute(_LOCK, _JOBS, sorted({slice_of(job_id) for job_id in job_ids}))


async def try_lock_jobs(db: Connection, job_ids: Sequence[UUID]) -> list[UUID]:
    """Acquire the locks that are free, without waiting; returns the jobs whose lock is held now."""
    wanted = sorted({slice_of(job_id) for job_id in job_ids})
    acquired = {record["slice"] for record in await db.fetch(_TRY_LOCK, _JOBS, wanted)}
    return [job_id for job_id in job_ids if slice_of(job_id) in acquired]


async def lock_keys(db: Connection, keys: Iterable[str]) -> None:
    """Wait for the locks of concurrency keys and hold them until the transaction ends."""
    slices = sorted({crc32(key.encode()) % _SLICES for key in keys})
    if slices:
        await db.execute(_LOCK, _KEYS, slices)


async def lock_pauses(db: Connection, longest: float) -> None:
    """Hold the lock of all pauses until the transaction ends. A transaction that sends or starts runs shares it.

    Whatever shares it next waits behind this wait, so that should be short: raises asyncpg.LockNotAvailableError after
    `longest` seconds.
    """
    await db.execute("SELECT set_config('lock_timeout', $1, true)", f"{longest * 1000:.0f}ms")
    await db.execute("SELECT pg_advisory_xact_lock($1)", _PAUSES)
    await db.execute("SET LOCAL lock_timeout TO DEFAULT")


async def share_pauses(db: Connection) -> None:
    """Let no pause begin until the transaction ends. It follows the locks of jobs, so it waits for none of them."""
    await db.execute("SELECT pg_advisory_xact_lock_shared($1)", _PAUSES)


_LOCK_BULK = "SELECT pg_advisory_xact_lock($1, $2)"
_TRY_LOCK_BULK = "SELECT pg_try_advisory_xact_lock($1, $2)"


async def lock_bulk(db: Connection, bulk_id: UUID) -> None:
    """Wait for the lock of a bulk operation and hold it until the transaction ends; acquired before all others."""
    await db.execute(_LOCK_BULK, _BULK, slice_of(bulk_id))


async def try_lock_bulk(db: Connection, bulk_id: UUID) -> bool:
    """Acquire the lock of a bulk operation if it is free; whether it is held now."""
    acquired: bool = await db.fetchval(_TRY_LOCK_BULK, _BULK, slice_of(bulk_id))
    return acquired
