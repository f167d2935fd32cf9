"""Bulk operations while processes end, others write and the clock moves: each target once, and the rate holds."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.bulk.events import BulkAction
from duebook_common.domain.bulk.state import BulkStatus
from duebook_common.domain.errors import WrongStatus
from duebook_common.domain.run.commands import FailAttempt
from duebook_common.integrity.verify import verify
from duebook_common.store import bulk_handling
from duebook_common.store.bulk_handling import abort_bulk
from duebook_common.store.bulk_targets import next_targets
from duebook_common.store.database import Pool
from duebook_common.store.rows import load_runs_to_decide
from support.bookkeeping import ACTOR, NOW, dispatched, do, start, started
from support.bulks import LATER, acts, executor, finish, request, shown
from support.samples import DAY, MINUTE, SECOND


async def test_the_rate_holds_over_restarts_and_an_outage_is_followed_by_no_burst(pool: Pool) -> None:
    for _ in range(30):
        await dispatched(pool)
    bulk = await request(pool, BulkAction.CANCEL, rate=10)
    times: list[datetime] = []
    at = LATER
    while len(times) < 30:
        if at == LATER + 5 * SECOND / 10:
            at += MINUTE  # no process was alive
        step = await executor(pool).step(bulk.id, at)  # a new executor, as after a restart
        times += [at] * step.dealt_with
        at += SECOND / 20
    for first in times:
        assert sum(first <= time < first + SECOND for time in times) <= 10
    assert times[-1] - times[0] <= MINUTE + 4 * SECOND


async def test_no_target_is_dealt_with_after_an_abort(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_handling, "_RUNS_AT_ONCE", 2)
    for _ in range(5):
        await dispatched(pool)
    bulk = await request(pool, BulkAction.CANCEL)
    await executor(pool).step(bulk.id, LATER)
    assert await abort_bulk(pool, uuid4(), None, ACTOR, LATER) is None
    for _ in range(2):
        row = await abort_bulk(pool, bulk.id, "the wrong tenant", ACTOR, LATER)
        assert row is not None
        assert (row.bulk.status, row.bulk.done, row.bulk.abort_reason) == (BulkStatus.ABORTED, 2, "the wrong tenant")
    assert (await executor(pool).step(bulk.id, LATER)).dealt_with == 0
    assert len(await acts(pool, bulk)) == 2
    ended = await request(pool, BulkAction.CANCEL)
    await finish(pool, ended)
    with pytest.raises(WrongStatus):
        await abort_bulk(pool, ended.id, None, ACTOR, LATER)
    assert (await verify(pool)).breaches == []


async def test_several_processes_share_an_operation_without_doubling(pool: Pool, monkeypatch: Any) -> None:
    monkeypatch.setattr(bulk_handling, "_RUNS_AT_ONCE", 3)
    for _ in range(20):
        await dispatched(pool)
    bulk = await request(pool, BulkAction.CANCEL)

    async def work() -> None:
        while (step := await executor(pool).step(bulk.id, LATER)).goes_on_at is not None or step.is_busy:
            progress = (await shown(pool, bulk)).progress
            assert progress is not None
            assert progress.done <= 20

    await asyncio.gather(*(work() for _ in range(3)))
    row = await shown(pool, bulk)
    assert row.bulk.done == 20
    assert len(await acts(pool, bulk, "RunCancelled")) == 20
    assert (await verify(pool)).breaches == []


async def test_an_act_and_its_count_are_committed_together(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await dispatched(pool)
    bulk = await request(pool, BulkAction.CANCEL)

    async def killed(*_: Any) -> None:
        raise ConnectionError("killed before the commit")

    with monkeypatch.context() as patch:
        patch.setattr(bulk_handling, "put_progress", killed)
        with pytest.raises(ConnectionError):
            await executor(pool).step(bulk.id, LATER)
    assert await acts(pool, bulk) == []
    assert (await finish(pool, bulk)).bulk.done == 3


async def test_a_run_that_another_writer_changed_meanwhile_comes_again(pool: Pool, monkeypatch: Any) -> None:
    runs = [await dispatched(pool) for _ in range(4)]
    bulk = await request(pool, BulkAction.CANCEL)

    async def load_slowly(*arguments: Any) -> Any:
        found = await next_targets(*arguments)
        monkeypatch.setattr("duebook_common.store.run_handling.load_runs_to_decide", change_meanwhile)
        return found

    async def change_meanwhile(db: Any, ids: Sequence[UUID]) -> Any:
        states = await load_runs_to_decide(db, ids)
        monkeypatch.setattr("duebook_common.store.run_handling.load_runs_to_decide", load_runs_to_decide)
        await do(pool, runs[1], start(runs[1]))
        return states

    monkeypatch.setattr(bulk_handling, "next_targets", load_slowly)
    await executor(pool).step(bulk.id, LATER)
    monkeypatch.setattr(bulk_handling, "next_targets", next_targets)
    progress = (await shown(pool, bulk)).progress
    assert progress is not None
    assert (progress.done, progress.again) == (3, (runs[1].id,))
    assert (await finish(pool, bulk)).bulk.done == 4
    assert (f"run-{runs[1].id}", "RunCancelRequested") in await acts(pool, bulk)


async def test_a_run_that_is_retried_meanwhile_is_found_in_a_second_round(pool: Pool) -> None:
    run = await started(pool)
    bulk = await request(pool, BulkAction.CANCEL)
    assert (await executor(pool).step(bulk.id, LATER)).dealt_with == 0  # none waits
    await do(pool, run, FailAttempt(1, "boom", NOW, 0))
    assert (await executor(pool).step(bulk.id, LATER)).dealt_with == 0  # none is running
    assert (await finish(pool, bulk)).bulk.done == 1
    assert (f"run-{run.id}", "RunCancelled") in await acts(pool, bulk)


async def test_a_clock_that_was_set_back_stops_an_operation_for_little_more_than_a_minute(pool: Pool) -> None:
    for _ in range(2):
        await dispatched(pool)
    bulk = await request(pool, BulkAction.CANCEL, rate=1)
    assert (await executor(pool).step(bulk.id, LATER + DAY)).dealt_with == 1
    early = await executor(pool).step(bulk.id, LATER)
    assert (early.dealt_with, early.goes_on_at) == (0, LATER + MINUTE + SECOND)
    assert (await executor(pool).step(bulk.id, LATER + MINUTE + SECOND)).dealt_with == 1
