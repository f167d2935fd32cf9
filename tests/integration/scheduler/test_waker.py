"""When the scheduler looks again at waiting runs that it could not decide."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from duebook_common.domain.definition import Concurrency
from duebook_common.store.database import Pool, transaction
from duebook_common.store.locks import try_lock_jobs
from support.bookkeeping import created, serve
from support.samples import SECOND
from support.schedulers import Scheduler, new_scheduler


@pytest.fixture
async def scheduler(pool: Pool, postgres_url: str) -> AsyncIterator[Scheduler]:
    """Beside a waiting run that is due."""
    await serve(pool)
    async with new_scheduler(postgres_url) as scheduler:
        await created(pool, scheduled_at=datetime.now(UTC) - SECOND, concurrency=Concurrency("k"))
        await scheduler.poller.step()
        await pool.execute("UPDATE runs SET status = 'waiting', reason = 'concurrency', wake_at = now()")
        yield scheduler


async def test_runs_whose_jobs_another_scheduler_has_locked_are_looked_at_soon(
    scheduler: Scheduler, pool: Pool
) -> None:
    async with transaction(pool) as db:
        assert await try_lock_jobs(db, [await pool.fetchval("SELECT job_id FROM jobs")])
        assert await scheduler.waker.step() == 0
    assert scheduler.waker.next_due is not None
    assert scheduler.waker.next_due < datetime.now(UTC) + SECOND


async def test_a_run_that_cannot_be_decided_waits_for_the_next_poll(scheduler: Scheduler, pool: Pool) -> None:
    await pool.execute("UPDATE jobs SET definition = '{}'")
    assert await scheduler.waker.step() == 0
    assert scheduler.waker.next_due is None
