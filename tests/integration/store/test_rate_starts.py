"""The database grants the starts of a key one after the other, at its own time, however they are asked for."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from duebook_common.domain.definition import Rate
from duebook_common.domain.errors import RateExceeded
from duebook_common.domain.run.commands import StartAttempt, WakeRun
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.integrity.verify_rates import check_rates
from duebook_common.store.database import Pool, snapshot
from duebook_common.store.rate_starts import prune_starts
from duebook_common.store.run_handling import CommandResult, RunWork, handle_runs
from support.bookkeeping import ACTOR, check_invariants, dispatched, do

RATE = Rate("k", 3, timedelta(hours=1))
_STARTED = "SELECT started_at FROM rate_starts WHERE rate_key = $1 ORDER BY number"
_LATER = "UPDATE rate_starts SET started_at = started_at + $1::interval"


async def sent(pool: Pool, count: int, rate: Rate = RATE) -> list[Run]:
    """Runs that a scheduler has sent, maybe too early."""
    now = await pool.fetchval("SELECT clock_timestamp()")
    wake = WakeRun(now, 0, timedelta(minutes=1), free=True)
    results = [await do(pool, await dispatched(pool, rate=rate), wake) for _ in range(count)]
    return [result.run for result in results if result.run is not None]


async def start(pool: Pool, runs: Sequence[Run]) -> list[CommandResult]:
    now = await pool.fetchval("SELECT clock_timestamp()")
    return await handle_runs(
        pool, [RunWork(run.id, StartAttempt(run.dispatch, "e", timedelta(minutes=1), now), run) for run in runs], ACTOR
    )


async def times(pool: Pool, key: str = "k") -> list[datetime]:
    return [record["started_at"] for record in await pool.fetch(_STARTED, key)]


async def test_concurrent_starts_never_exceed_the_rate(pool: Pool) -> None:
    runs = await sent(pool, 12)
    results = await asyncio.gather(*(start(pool, runs[n : n + 2]) for n in range(0, 12, 2)))
    flat = [result for batch in results for result in batch]
    begun = [r for r in flat if r.run is not None and r.run.status is RunStatus.RUNNING]
    refused = [r.error for r in flat if isinstance(r.error, RateExceeded)]
    assert (len(begun), len(refused)) == (3, 9)
    assert all(timedelta(minutes=59) < error.wait <= timedelta(hours=1) for error in refused)
    assert len(await times(pool)) == 3


async def test_a_start_counts_at_the_time_that_the_log_shows(pool: Pool) -> None:
    [run] = await sent(pool, 1)
    [result] = await start(pool, [run])
    record: Any = await pool.fetchrow(
        "SELECT data ->> 'at' AS at, recorded_at FROM events WHERE type = 'AttemptStarted'"
    )
    at = datetime.fromisoformat(record["at"])
    assert result.run is not None
    assert await times(pool) == [record["recorded_at"]] == [at] == [result.run.started_at]
    await check_invariants(pool)


async def test_a_start_is_granted_once_the_oldest_is_a_span_ago(pool: Pool) -> None:
    runs = await sent(pool, 5)
    await start(pool, runs[:3])
    await pool.execute(_LATER, timedelta(minutes=-50))
    first, second = await start(pool, runs[3:])
    assert isinstance(first.error, RateExceeded)
    assert isinstance(second.error, RateExceeded)
    assert timedelta(minutes=9) < first.error.wait <= second.error.wait <= timedelta(minutes=10)
    await pool.execute(_LATER, timedelta(minutes=-11))
    assert [result.error for result in await start(pool, runs[3:])] == [None, None]


async def test_a_refused_start_and_a_lost_one_use_up_nothing(pool: Pool) -> None:
    runs = await sent(pool, 4)
    await start(pool, [runs[0]])
    again = await start(pool, [runs[0], runs[1]])  # the first has started already
    assert again[1].run is not None
    assert len(await times(pool)) == 2
    assert [result.error for result in await start(pool, [runs[2]])] == [None]
    assert isinstance((await start(pool, [runs[3]]))[0].error, RateExceeded)


async def test_each_start_counts_by_its_own_rate_over_all_of_its_key(pool: Pool) -> None:
    strict, loose = await sent(pool, 2, Rate("k", 1, timedelta(hours=1))), await sent(pool, 2)
    other = await sent(pool, 1, Rate("other", 1, timedelta(hours=1)))
    results = await start(pool, [strict[0], loose[0], strict[1], loose[1], other[0]])
    assert [type(result.error) for result in results] == [type(None), type(None), RateExceeded, type(None), type(None)]


async def test_a_clock_that_was_set_back_blocks_no_key_for_long(pool: Pool) -> None:
    runs = await sent(pool, 4, Rate("k", 3, timedelta(minutes=1)))
    await start(pool, runs[:3])
    await pool.execute(_LATER, timedelta(hours=5))
    async with pool.acquire() as db:
        await prune_starts(db, 10)
    [last] = await start(pool, [runs[3]])
    assert isinstance(last.error, RateExceeded)
    assert last.error.wait <= timedelta(minutes=1)


async def test_starts_are_forgotten_after_a_day(pool: Pool) -> None:
    await start(pool, await sent(pool, 3))
    async with pool.acquire() as db:
        assert await prune_starts(db, 10) == 0
        await db.execute(_LATER, timedelta(hours=-26))
        assert await prune_starts(db, 2) == 2
        assert await prune_starts(db, 2) == 1


async def test_verify_finds_a_start_that_came_too_early(pool: Pool) -> None:
    runs = await sent(pool, 4)
    await start(pool, runs[:3])
    async with snapshot(pool) as db:
        assert await check_rates(db) == []
    await pool.execute("DELETE FROM rate_starts")
    await start(pool, runs[3:])
    async with snapshot(pool) as db:
        [breach] = await check_rates(db)
    assert breach.stream == f"run-{runs[3].id}"
