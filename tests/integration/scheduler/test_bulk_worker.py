"""The scheduler executes bulk operations: all of them go on together, and a failing one holds up no other."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from duebook_common.domain.bulk.events import BulkAction, BulkFilter, BulkRequested
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.settings import read
from duebook_common.store import bulk_handling
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor, request_bulk
from duebook_common.store.bulk_rows import load_bulk
from duebook_common.store.bulk_targets import next_targets
from duebook_common.store.database import Clock, Pool, acquire
from duebook_scheduler.bulk_worker import BulkWorker
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.settings import SchedulerSettings
from support.bookkeeping import ACTOR, dispatched
from support.samples import MINUTE


@pytest.fixture
async def worker(pool: Pool, postgres_url: str) -> AsyncIterator[BulkWorker]:
    names = {"POSTGRES": postgres_url, "RABBITMQ": "amqp://127.0.0.1/", "REDIS": "redis://127.0.0.1/"}
    settings = read(SchedulerSettings, {f"DUEBOOK_{name}_URL": value for name, value in names.items()})
    async with Hints("redis://127.0.0.1:1") as hints:
        executor = BulkExecutor(pool, BulkLimits(MINUTE, 1_000), ACTOR)
        yield BulkWorker(PollContext(pool, Clock(), settings, ACTOR), executor, hints)


async def cancel(pool: Pool, queue: str, rate: float | None = None) -> UUID:
    bulk_id, now = uuid4(), Clock().now() + MINUTE
    event = BulkRequested(
        action=BulkAction.CANCEL, filter=BulkFilter(queue=queue), reason="a test", rate=rate, matched=0, at=now
    )
    assert await request_bulk(pool, bulk_id, event, ACTOR)
    return bulk_id


async def progress(pool: Pool, bulk_id: UUID) -> tuple[str, int]:
    async with acquire(pool) as db:
        row = (await load_bulk(db, [bulk_id]))[bulk_id]
    assert row.progress is not None
    return row.bulk.status, row.progress.done


async def test_a_small_operation_ends_while_a_large_one_goes_on(
    pool: Pool, worker: BulkWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_handling, "_RUNS_AT_ONCE", 2)
    for queue in ["large"] * 9 + ["small"] * 2:
        await dispatched(pool, queue=queue)
    large, small = await cancel(pool, "large"), await cancel(pool, "small")
    assert await worker.step() == 4
    assert await worker.step() == 2
    assert await progress(pool, small) == ("running", 2)
    assert await progress(pool, large) == ("running", 4)
    await _until_ended(pool, worker, large)
    assert await progress(pool, small) == ("ended", 2)
    assert await progress(pool, large) == ("ended", 9)


async def test_an_operation_that_cannot_go_on_holds_up_no_other(
    pool: Pool, worker: BulkWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dispatched(pool, queue="good")
    bad, good = await cancel(pool, "bad"), await cancel(pool, "good")

    async def read_too_long(db: Any, action: Any, filter_: BulkFilter, *more: Any) -> Any:
        if filter_.queue == "bad":
            raise asyncpg.QueryCanceledError("statement timeout")
        return await next_targets(db, action, filter_, *more)

    monkeypatch.setattr(bulk_handling, "next_targets", read_too_long)
    assert await worker.step() == 1
    await _until_ended(pool, worker, good)
    assert await progress(pool, good) == ("ended", 1)
    assert await progress(pool, bad) == ("running", 0)


async def _until_ended(pool: Pool, worker: BulkWorker, bulk_id: UUID) -> None:
    while (await progress(pool, bulk_id))[0] == "running":
        await worker.step()


async def test_an_operation_with_a_rate_is_looked_at_when_the_rate_allows(pool: Pool, worker: BulkWorker) -> None:
    for _ in range(2):
        await dispatched(pool, queue="q")
    bulk_id = await cancel(pool, "q", rate=0.001)
    assert worker.pause() == timedelta(milliseconds=250)
    assert await worker.step() == 1
    assert await worker.step() == 0
    assert await progress(pool, bulk_id) == ("running", 1)
    assert worker.pause() == timedelta(milliseconds=250)
