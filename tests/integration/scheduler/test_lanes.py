"""The cost of a poll does not grow with rows that are not due: it reads the due rows of a partial index."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from duebook_common.domain.job.schedule_history import EARLIEST
from duebook_common.store.database import Connection, Pool
from duebook_scheduler.due_jobs import _CANDIDATES, find_due_jobs
from duebook_scheduler.due_runs import _DUE_RUNS, load_due_runs
from duebook_scheduler.lanes import (
    _BY_TABLE,
    _WATERMARKS_BY_TABLE,
    LaneReader,
    earliest,
    gaps_between,
    lanes,
    lanes_from,
)
from duebook_scheduler.looks import Lane, LaneId
from support.bookkeeping import NOW, created, started
from support.query_cost import HOUR, grow_table, query_cost
from support.samples import DAY


async def lanes_of(pool: Pool, table: Any = "jobs") -> list[Lane]:
    async with pool.acquire() as db:
        return await lanes(db, table)


async def test_lanes_come_by_priority_with_their_first_due_time(pool: Pool) -> None:
    for queue, priority, hours in (("a", 1, 3), ("a", 1, 2), ("a", 9, 5), ("b", 1, 1), ("b", 4, 0)):
        await created(pool, queue=queue, priority=priority, scheduled_at=NOW + hours * HOUR)
    expected = [("a", 9, 5), ("b", 4, 0), ("b", 1, 1), ("a", 1, 2)]
    assert await lanes_of(pool) == [Lane(queue, priority, NOW + hours * HOUR) for queue, priority, hours in expected]


async def test_a_row_without_wake_at_has_no_lane(pool: Pool) -> None:
    await pool.execute("UPDATE jobs SET status = 'finished', wake_at = NULL WHERE job_id = $1", await created(pool))
    assert await lanes_of(pool) == []


async def test_runs_and_jobs_have_lanes_of_their_own(pool: Pool) -> None:
    run = await started(pool, queue="slow", priority=7)
    assert run.wake_at is not None
    assert await lanes_of(pool, "runs") == [Lane("slow", 7, run.wake_at)]
    assert await lanes_of(pool) == []


async def test_the_earliest_time_is_the_next_of_all_lanes() -> None:
    some = [Lane("a", 9, NOW + 2 * HOUR), Lane("b", 4, NOW), Lane("b", 1, NOW + HOUR)]
    assert earliest(some, NOW) == NOW + HOUR
    assert earliest(some[:2], NOW + 2 * HOUR) is None


async def test_queues_share_a_batch_and_priority_counts_in_each(pool: Pool) -> None:
    for queue, priority in (("a", 4), ("a", 4), ("a", 9), ("b", 0), ("b", 0)):
        await started(pool, queue=queue, priority=priority)
    async with pool.acquire() as db:
        due = await load_due_runs(db, await lanes(db, "runs"), NOW + HOUR, 3)
    assert [(each.run.queue, each.run.priority) for each in due] == [("a", 9), ("b", 0), ("a", 4)]


async def test_a_poll_of_200_000_pending_jobs_reads_as_much_as_one_of_ten(pool: Pool) -> None:
    for index in ("jobs_newest", "jobs_by_status", "jobs_by_name", "jobs_by_task", "jobs_by_queue"):
        await pool.execute(f"DROP INDEX {index}")  # not used by a poll, and they make the inserts slow
    await created(pool, priority=0)
    polls: dict[str, tuple[Any, ...]] = {
        _BY_TABLE["jobs"]: (),
        _CANDIDATES: (["default"] * 4, [0, 1, 2, 3], [500] * 4, NOW, [], 500, EARLIEST, [EARLIEST] * 4),
    }
    await grow_table(pool, "jobs", 10)
    few = [(await query_cost(pool, query, *arguments)).buffers for query, arguments in polls.items()]
    await pool.execute("DELETE FROM jobs WHERE wake_at > $1", NOW)
    await grow_table(pool, "jobs", 200_000)
    for (query, arguments), before in zip(polls.items(), few, strict=True):
        many = await query_cost(pool, query, *arguments)
        assert many.indexes == {"jobs_due"}
        assert not many.scans
        assert many.buffers <= before + 40
    all_due: tuple[Any, ...] = (
        ["default"] * 4,
        [0, 1, 2, 3],
        [500] * 4,
        NOW + 100 * DAY,
        [],
        500,
        EARLIEST,
        [EARLIEST] * 4,
    )
    backlog = await query_cost(pool, _CANDIDATES, *all_due)
    assert backlog.buffers <= 5_000, "when all are due, a poll reads no more than its batch"


async def test_waking_reads_only_due_runs(pool: Pool) -> None:
    await started(pool, priority=0)
    await grow_table(pool, "runs", 20_000)
    for query, arguments in ((_BY_TABLE["runs"], ()), (_DUE_RUNS, (["default"], [0], NOW + HOUR, 500, [EARLIEST]))):
        many = await query_cost(pool, query, *arguments)
        assert "runs_due" in many.indexes
        assert "runs" not in many.scans
        assert many.buffers <= 60


@asynccontextmanager
async def held_snapshot(url: str) -> AsyncIterator[None]:
    """Rows that die meanwhile stay in the indexes."""
    db = await asyncpg.connect(url)
    try:
        async with db.transaction(isolation="repeatable_read"):
            await db.fetch("SELECT FROM jobs")
            yield
    finally:
        await db.close()


async def die_and_wake_later(pool: Pool, table: str) -> None:
    """The rows moved on, from times in the past to one that is far ahead."""
    await pool.execute(f"UPDATE {table} SET wake_at = wake_at - interval '1 day'")
    await pool.execute(f"UPDATE {table} SET wake_at = $1", NOW + DAY)


PRIORITIES = [LaneId("default", priority) for priority in range(4)]


async def test_rows_that_died_under_a_snapshot_do_not_slow_down_looks(pool: Pool, postgres_url: str) -> None:
    await created(pool, priority=0)
    await started(pool, priority=0)
    for table in _BY_TABLE:
        await grow_table(pool, table, 5_000)
    async with held_snapshot(postgres_url):
        for table in _BY_TABLE:
            await die_and_wake_later(pool, table)
            full = await query_cost(pool, _BY_TABLE[table])
            watermarks = dict.fromkeys(PRIORITIES, NOW)
            known = [
                [lane.queue for lane in watermarks],
                [lane.priority for lane in watermarks],
                [*watermarks.values()],
            ]
            partial = await query_cost(pool, _WATERMARKS_BY_TABLE[table], *known, NOW + HOUR, *gaps_between(PRIORITIES))
            assert full.buffers > 1_000, "the test needs dead rows"
            assert partial.buffers <= 100
        queues, priorities = ["default"] * 4, [0, 1, 2, 3]
        jobs = await query_cost(pool, _CANDIDATES, queues, priorities, [500] * 4, NOW, [], 500, EARLIEST, [NOW] * 4)
        runs = await query_cost(pool, _DUE_RUNS, queues, priorities, NOW, 500, [NOW] * 4)
        assert jobs.buffers + runs.buffers <= 100


async def test_a_look_from_watermarks_finds_what_is_above_them_and_new_lanes(pool: Pool) -> None:
    for queue, priority, hours in (("a", 1, -3), ("a", 1, -1), ("b", 1, 5), ("b", 4, -5), ("k", 2, 6), ("m", 0, 7)):
        await created(pool, queue=queue, priority=priority, scheduled_at=NOW + hours * HOUR)
    watermarks = {LaneId("a", 1): NOW - 2 * HOUR, LaneId("b", 1): NOW, LaneId("n", 0): NOW}
    async with pool.acquire() as db:
        found = await lanes_from(db, "jobs", watermarks, NOW + HOUR)
        assert {(lane.queue, lane.priority): (lane.first - NOW) / HOUR for lane in found} == {
            ("b", 4): -5, ("a", 1): -1, ("b", 1): 1, ("k", 2): 6, ("n", 0): 1,
        }  # fmt: skip
        assert [lane.priority for lane in found] == [4, 2, 1, 1, 0]
        watermarks[LaneId("k", 2)] = NOW
        found = await lanes_from(db, "jobs", dict(sorted(watermarks.items())), NOW + HOUR)
    assert Lane("m", 0, NOW + 7 * HOUR) in found, "the next lane of a gap is found by the next look"


async def test_what_is_committed_late_is_found_by_the_next_full_look(pool: Pool) -> None:
    seconds = itertools.count()
    reader = LaneReader("jobs", lambda: float(next(seconds)))  # each look seems to take a second
    await created(pool, queue="a", priority=1, scheduled_at=NOW - HOUR)
    async with pool.acquire() as db:
        for _ in range(5):
            assert await reader.read(db, NOW) == [Lane("a", 1, NOW - HOUR)]
        late = await created(pool, queue="a", priority=1, scheduled_at=NOW - 2 * HOUR)
        assert await reader.read(db, NOW) == [Lane("a", 1, NOW - HOUR)]
        again_at = reader.look_again_at(NOW)
        assert again_at is not None
        assert again_at > NOW
        looks = 1
        while (found := await reader.read(db, NOW))[0].first != NOW - 2 * HOUR:
            looks += 1
            assert looks <= 50
        assert await find_due_jobs(db, [(found[0], 1)], EARLIEST, NOW, [], 1) == [late]
        assert await reader.read(db, NOW) == found, "what is left stays in view"


class Impatient:
    """A connection whose full looks exceed the time of a statement."""

    def __init__(self, db: Connection) -> None:
        self._db, self.refused = db, 0

    async def fetch(self, query: str, *arguments: Any) -> Any:
        if query in _BY_TABLE.values():
            self.refused += 1
            raise asyncpg.QueryCanceledError
        return await self._db.fetch(query, *arguments)


async def test_full_looks_that_take_too_long_leave_those_from_watermarks(pool: Pool) -> None:
    seconds = itertools.count(step=15)
    reader = LaneReader("jobs", lambda: float(next(seconds)))
    await created(pool, queue="a", priority=1, scheduled_at=NOW)
    async with pool.acquire() as db:
        impatient = Impatient(db)
        with pytest.raises(asyncpg.QueryCanceledError):
            await reader.read(cast(Connection, impatient), NOW)
        await reader.read(db, NOW)
        for _ in range(120):
            assert await reader.read(cast(Connection, impatient), NOW) == [Lane("a", 1, NOW)]
        assert impatient.refused > 1
