"""Advisory transaction locks in PostgreSQL: they decide which process may decide about a job or a concurrency key.

Both are taken by slice, because a batch would otherwise hold more locks than PostgreSQL's lock table has entries. A
transaction takes the lock of a concurrency key only after the lock of the job, never the other way round.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID
from zlib import crc32

from duebook_common.store.database import Connection

_JOBS, _KEYS, _SLICES = 7238, 7240, 1024

_LOCK = "SELECT pg_advisory_xact_lock($1, slice) FROM unnest($2::int[]) AS slice"
_TRY_LOCK = "SELECT slice FROM unnest($2::int[]) AS slice WHERE pg_try_advisory_xact_lock($1, slice)"


def slice_of(job_id: UUID) -> int:
    return job_id.int % _SLICES


async def lock_jobs(db: Connection, job_ids: Iterable[UUID]) -> None:
    """Wait for the jobs' locks, in sorted order so that nobody deadlocks; held to the end of the transaction."""
    await db.execute(_LOCK, _JOBS, sorted({slice_of(job_id) for job_id in job_ids}))


async def try_lock_jobs(db: Connection, job_ids: Sequence[UUID]) -> list[UUID]:
    """Take the locks that are free; returns the jobs that are locked now."""
    wanted = sorted({slice_of(job_id) for job_id in job_ids})
    taken = {record["slice"] for record in await db.fetch(_TRY_LOCK, _JOBS, wanted)}
    return [job_id for job_id in job_ids if slice_of(job_id) in taken]


async def lock_keys(db: Connection, keys: Iterable[str]) -> None:
    """Wait for the locks of concurrency keys, in sorted order; held to the end of the transaction."""
    slices = sorted({crc32(key.encode()) % _SLICES for key in keys})
    if slices:
        await db.execute(_LOCK, _KEYS, slices)
