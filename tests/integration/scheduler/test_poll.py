"""What the poll knows of its own lateness, on a real database."""

from datetime import UTC, datetime
from typing import Any

import pytest

from duebook_common.domain.queue.decide import PauseQueue
from duebook_common.domain.run.commands import FailAttempt
from duebook_common.store.database import Pool
from duebook_common.store.queue_handling import handle_queue
from support.bookkeeping import ACTOR, NOW, created, do, serve, started
from support.samples import SECOND
from support.schedulers import new_scheduler


async def test_a_poll_is_late_until_what_was_due_long_ago_is_decided(pool: Pool, postgres_url: str) -> None:
    await serve(pool)
    async with new_scheduler(postgres_url, DUEBOOK_LOOK_AHEAD="PT5S") as scheduler:
        await created(pool, scheduled_at=datetime.now(UTC) + 3 * SECOND)
        await scheduler.poller.step()
        assert not scheduler.poller.is_late()
        await created(pool, scheduled_at=datetime.now(UTC) - 2 * SECOND)
        await scheduler.poller.step()
        assert scheduler.poller.is_late()
        await scheduler.poller.step()
        assert not scheduler.poller.is_late()


async def test_a_poll_stays_late_during_the_passes_that_follow(
    pool: Pool, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(pool)
    async with new_scheduler(postgres_url, DUEBOOK_BATCH="1") as scheduler:
        for _ in range(2):
            await created(pool, scheduled_at=datetime.now(UTC) - 2 * SECOND)
        await scheduler.poller.step()
        seen, send = list[bool](), scheduler.sender.send

        async def watched(*arguments: Any, **named: Any) -> None:
            seen.append(scheduler.poller.is_late())
            await send(*arguments, **named)

        monkeypatch.setattr(scheduler.sender, "send", watched)
        await scheduler.poller.step()
        assert seen
        assert all(seen)


async def test_a_poll_is_late_with_a_retry_that_was_due_long_ago(pool: Pool, postgres_url: str) -> None:
    await serve(pool)
    run = await started(pool)
    await do(pool, run, FailAttempt(1, "boom", NOW, 0))
    await pool.execute("UPDATE runs SET wake_at = clock_timestamp() - interval '2 seconds'")
    async with new_scheduler(postgres_url) as scheduler:
        await scheduler.poller.step()
        assert scheduler.poller.is_late()
        await scheduler.poller.step()
        assert not scheduler.poller.is_late()


async def test_a_poll_is_not_late_with_what_a_pause_holds_back(pool: Pool, postgres_url: str) -> None:
    await serve(pool)
    await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    async with new_scheduler(postgres_url) as scheduler:
        await created(pool, scheduled_at=datetime.now(UTC) - 2 * SECOND)
        await scheduler.poller.step()
        assert not scheduler.poller.is_late()
