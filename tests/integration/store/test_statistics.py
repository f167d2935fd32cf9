"""The statistics equal a count of the log by itself, in whatever batches, after a rebuild and after a crash."""

from datetime import UTC, datetime, timedelta

import pytest

from duebook_common.domain import statistics as domain
from duebook_common.domain.definition import CatchUp
from duebook_common.domain.job.commands import ChangeJob
from duebook_common.domain.run.commands import CancelRun, DiscardRun, FailAttempt, Succeed
from duebook_common.integrity.rebuild import rebuild
from duebook_common.store import statistics
from duebook_common.store.checkpoints import claim, has_new_events
from duebook_common.store.database import Pool, transaction
from duebook_common.store.job_handling import handle_job
from duebook_common.store.statistics import StatisticsSubscriber, prune
from support import counting
from support.bookkeeping import (
    ACTOR,
    NOW,
    context,
    created,
    definition,
    dispatch,
    dispatched,
    do,
    past_horizon,
    start,
    started,
)
from support.planted_faults import unguarded
from support.query_cost import query_cost
from support.samples import DAY, HOUR, MINUTE, SECOND

_OTHER_EVENTS = """
INSERT INTO events (stream, version, id, type, job_id, data, meta, recorded_at)
SELECT 'job-' || id, 1, id, 'JobCreated', id, '{}', '{}', now()
FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) AS ids
"""


async def history(pool: Pool) -> None:
    """Runs of several queues and tasks that end in each way, and occurrences that are skipped."""
    for n in range(4):
        names = {"queue": f"q{n % 2}", "task": f"t{n % 3}"}
        await do(pool, await started(pool, **names), Succeed(1, {"n": n}, NOW + n * SECOND))
        dead = await started(pool, **names)
        await do(pool, dead, FailAttempt(1, "boom", NOW + MINUTE, 0.5, retry=False))
        if n % 2:
            await do(pool, dead, DiscardRun("obsolete", NOW + HOUR))
        await do(pool, await dispatched(pool, **names), CancelRun(None, NOW))
        await do(pool, await started(pool, **names), FailAttempt(1, "again", NOW + SECOND, 0.5))
    series = await created(pool, recurrence="daily", catch_up=CatchUp("none"), queue="q7")
    changed = definition(recurrence="daily", catch_up=CatchUp("none"), queue="q8", task="t8")
    await handle_job(pool, series, dispatch(NOW + 5 * DAY), ACTOR)
    await handle_job(pool, series, ChangeJob(changed, context(NOW + 5 * DAY), run_exists=True), ACTOR)
    await handle_job(pool, series, dispatch(NOW + 9 * DAY), ACTOR)


@pytest.mark.parametrize("batch", [7, 5_000])
async def test_the_statistics_equal_a_count_of_the_log(pool: Pool, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(statistics, "BATCH", batch)
    await history(pool)
    await counting.count_all(pool)
    outcomes, times = await counting.counted(pool)
    assert await counting.counts(pool) == outcomes
    assert await counting.times(pool) == times
    assert len({row[3] for row in outcomes if row[1] == "job"}) == 17


async def test_what_a_pause_kept_back_was_due_at_its_end(pool: Pool) -> None:
    run = await dispatched(pool, scheduled_at=NOW - HOUR)
    await pool.execute("UPDATE runs SET resumed_at = $1", NOW - SECOND)
    await do(pool, run, start(run))
    await counting.count_all(pool)
    lateness = await pool.fetchval("SELECT lateness FROM statistics WHERE dimension = 'queue' AND step = '1 h'")
    assert lateness == [0] * 24 + [1], "a second, not an hour"


async def test_a_rebuild_makes_the_same_statistics_again(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    await history(pool)
    await counting.count_all(pool)
    before = await counting.stored(pool)
    await pool.execute("UPDATE statistics SET counts = '{99}' WHERE dimension = 'all'")
    monkeypatch.setattr(statistics, "BATCH", 11)
    await rebuild(pool)
    assert await counting.stored(pool) == before


async def test_a_batch_that_fails_counts_nothing(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    await history(pool)
    await past_horizon(pool)

    async def crash(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(statistics, "move_checkpoint", crash)
        with pytest.raises(ConnectionError):
            await StatisticsSubscriber(pool).step(datetime.now(UTC))
    assert await counting.stored(pool) == {}
    await counting.count_all(pool)
    assert await counting.counts(pool) == (await counting.counted(pool))[0]


async def test_one_at_a_time_counts(pool: Pool) -> None:
    await history(pool)
    async with transaction(pool) as db:
        assert await claim(db, statistics.SUBSCRIBER) is not None
        assert await StatisticsSubscriber(pool).step(datetime.now(UTC)) == 0
    assert await counting.stored(pool) == {}


@pytest.mark.parametrize("batch", [5, 5_000])
async def test_the_jobs_of_an_hour_are_bounded(pool: Pool, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(domain, "MOST_KEYS", domain.MOST_KEYS | {domain.Dimension.JOB: 3})
    monkeypatch.setattr(statistics, "MOST_KEYS", domain.MOST_KEYS)
    monkeypatch.setattr(statistics, "BATCH", batch)
    runs = [await started(pool) for _ in range(6)]
    for run in runs:
        await do(pool, run, Succeed(1, None, NOW))
    jobs = [str(run.job_id) for run in runs]
    await unguarded(pool, "UPDATE events SET recorded_at = (SELECT min(recorded_at) FROM events)")  # in one hour
    await counting.count_all(pool)
    rows = {row[3]: sum(values.values()) for row, values in (await counting.counts(pool)).items() if row[1] == "job"}
    assert rows == dict.fromkeys(jobs[:3], 1) | {"": 3}


async def test_what_is_no_longer_kept_is_deleted(pool: Pool) -> None:
    await history(pool)
    await counting.count_all(pool)
    now, steps = datetime.now(UTC), await _steps(pool)
    await prune(pool, now)
    assert await _steps(pool) == steps
    await prune(pool, now + 4 * DAY)
    assert await _steps(pool) == {HOUR, DAY}
    await prune(pool, now + 36 * DAY)
    assert await pool.fetchval("SELECT count(*) FROM statistics WHERE dimension = 'job'") == 0


async def _steps(pool: Pool) -> set[timedelta]:
    return {record["step"] for record in await pool.fetch("SELECT DISTINCT step FROM statistics")}


async def test_events_that_do_not_count_are_not_read(pool: Pool) -> None:
    await pool.execute(_OTHER_EVENTS, 20_000)
    await pool.execute("VACUUM ANALYZE events")
    await past_horizon(pool)
    found = await query_cost(pool, statistics._FACTS, 0, 0, statistics.BATCH, [], [])
    assert {"events_logged_kept", "events_skipped_kept"} <= found.indexes
    assert found.buffers < 100


async def test_after_events_that_do_not_count_nothing_is_new(pool: Pool) -> None:
    await created(pool)
    await past_horizon(pool)
    subscriber = StatisticsSubscriber(pool)
    async with pool.acquire() as db:
        assert await has_new_events(db, statistics.SUBSCRIBER)
        assert await subscriber.step(datetime.now(UTC)) == 0
        assert not await has_new_events(db, statistics.SUBSCRIBER)
