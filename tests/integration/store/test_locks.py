"""Only one transaction at a time holds the lock of a job, and its end releases the lock."""

import asyncio
from contextlib import suppress
from uuid import UUID, uuid4

from duebook_common.store.database import Pool, transaction
from duebook_common.store.locks import lock_jobs, slice_of, try_lock_jobs
from support.bookkeeping import waiting

HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"  # noqa: E501


def job(slice_: int, n: int = 1) -> UUID:
    """The id of a job that shares the lock number `slice_`."""
    id_ = UUID(int=(n << 40) + slice_)
    assert slice_of(id_) == slice_
    return id_


async def lock(pool: Pool, *jobs: UUID) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, jobs)


async def test_a_locked_job_is_waited_for_until_its_holder_commits(pool: Pool) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, [job(1)])
        other = asyncio.create_task(lock(pool, job(1)))
        await waiting(pool, other)
        assert not other.done()
        await lock(pool, job(2))  # the lock of another slice is free
    await other


async def test_a_rollback_releases_the_lock(pool: Pool) -> None:
    """The connection goes on to be used, so its end would come too late."""
    async with pool.acquire() as same:
        with suppress(ZeroDivisionError):
            async with same.transaction():
                await lock_jobs(same, [job(1)])
                await try_lock_jobs(same, [job(2)])
                raise ZeroDivisionError
        assert await pool.fetchval(HELD) == 0
        await lock(pool, job(1))


async def test_locks_requested_in_opposite_orders_never_deadlock(pool: Pool) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, [job(2)])
        one = asyncio.create_task(lock(pool, job(1), job(2), job(3)))
        await waiting(pool, one)
        other = asyncio.create_task(lock(pool, job(3), job(2), job(1)))
        await waiting(pool, other, count=2)
    await asyncio.gather(one, other)


async def test_trying_acquires_the_free_locks_without_waiting(pool: Pool) -> None:
    async with transaction(pool) as db:
        await lock_jobs(db, [job(1), job(3)])
        async with transaction(pool) as other:
            wanted = [job(3), job(2), job(1, 2), job(2, 2), job(4)]
            assert await try_lock_jobs(other, wanted) == [job(2), job(2, 2), job(4)]
            third = asyncio.create_task(lock(pool, job(4)))
            await waiting(pool, third)
            assert not third.done()
    await third


async def test_a_batch_of_any_size_fits_into_the_lock_table(pool: Pool) -> None:
    """PostgreSQL's lock table has a fixed size, so jobs share 1,024 locks."""
    async with transaction(pool) as db:
        assert len(await try_lock_jobs(db, [uuid4() for _ in range(50_000)])) == 50_000
        assert await pool.fetchval(HELD) <= 1024


async def test_a_job_lock_assigns_no_transaction_id(pool: Pool) -> None:
    """A transaction id would hold back the horizon, and so hide later events from readers of the log."""
    async with transaction(pool) as db:
        await lock_jobs(db, [job(1)])
        assert await try_lock_jobs(db, [job(2)]) == [job(2)]
        assert await db.fetchval("SELECT pg_current_xact_id_if_assigned()") is None
