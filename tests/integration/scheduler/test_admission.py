"""The order in which waiting runs get the slots of their concurrency key."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from duebook_common.domain.definition import Concurrency
from duebook_common.domain.run.state import RunStatus
from duebook_common.store.database import Pool
from duebook_scheduler.waker import Waker
from support.bookkeeping import created, serve
from support.samples import SECOND
from support.schedulers import new_scheduler

_WAITING = "UPDATE runs SET status = 'waiting', reason = 'concurrency', wake_at = clock_timestamp()"
_LATER = "UPDATE runs SET wake_at = clock_timestamp() + interval '1 minute' WHERE job_name = 'older'"
_STATUSES = "SELECT job_name, status FROM runs"


@pytest.fixture
async def waker(pool: Pool, postgres_url: str) -> AsyncIterator[Waker]:
    """Beside two runs that wait for the only slot of their key, which is free. It looks at the older one later."""
    await serve(pool)
    async with new_scheduler(postgres_url) as scheduler:
        for name in ("older", "younger"):
            due = datetime.now(UTC) - SECOND
            await created(pool, scheduled_at=due, name=name, concurrency=Concurrency("k"))
            await scheduler.poller.step()
        await pool.execute(_WAITING)
        await pool.execute(_LATER)
        yield scheduler.waker


async def statuses(pool: Pool) -> dict[str, str]:
    return {record["job_name"]: record["status"] for record in await pool.fetch(_STATUSES)}


async def test_a_younger_run_that_is_looked_at_first_leaves_the_slot(waker: Waker, pool: Pool) -> None:
    """The end of a run frees its slot before it wakes the oldest that waits."""
    await waker.step()
    assert await statuses(pool) == {"older": RunStatus.WAITING, "younger": RunStatus.WAITING}
    assert waker.next_due is not None
    assert waker.next_due < datetime.now(UTC) + SECOND
    await waker.step()
    assert await statuses(pool) == {"older": RunStatus.DISPATCHED, "younger": RunStatus.WAITING}


@pytest.mark.parametrize(
    "hindrance",
    [
        "held = true",
        "reason = 'overlap'",
        "reason = 'task'",
        "task = 'unknown'",
        "not_before = now() + interval '1 minute'",
        "start_by = now() - interval '1 second'",
        "trigger = 'backfill'",
        "wake_at = now() - interval '1 minute', job_id = gen_random_uuid()",  # its job cannot be decided on
    ],
)
async def test_an_older_run_that_may_not_start_lets_younger_ones_pass(waker: Waker, pool: Pool, hindrance: str) -> None:
    await pool.execute(f"UPDATE runs SET {hindrance} WHERE job_name = 'older'")
    await waker.step()
    assert await statuses(pool) == {"older": RunStatus.WAITING, "younger": RunStatus.DISPATCHED}


async def test_an_older_run_of_another_queue_lets_younger_ones_pass(waker: Waker, pool: Pool) -> None:
    """That queue may have no capacity for as long as its executors are busy."""
    await serve(pool, "other")
    await pool.execute("UPDATE runs SET queue = 'other' WHERE job_name = 'older'")
    await waker.step()
    assert await statuses(pool) == {"older": RunStatus.WAITING, "younger": RunStatus.DISPATCHED}


async def test_the_next_run_of_a_job_gets_the_slot_before_younger_runs(waker: Waker, pool: Pool) -> None:
    """It waited for another run of its job, which has ended."""
    await pool.execute("UPDATE runs SET reason = 'overlap', wake_at = now() WHERE job_name = 'older'")
    await waker.step()
    assert await statuses(pool) == {"older": RunStatus.DISPATCHED, "younger": RunStatus.WAITING}


async def test_an_older_run_of_a_paused_queue_lets_younger_ones_pass(waker: Waker, pool: Pool) -> None:
    await pool.execute("UPDATE runs SET queue = 'paused' WHERE job_name = 'older'")
    await pool.execute("INSERT INTO queue_pauses (name, since, version, paused_by) VALUES ('paused', now(), 1, 'ann')")
    await waker.step()
    assert await statuses(pool) == {"older": RunStatus.WAITING, "younger": RunStatus.DISPATCHED}
