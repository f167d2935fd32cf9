"""The lines of days: each change of the log is found, and none in a sound one, also after erasures and moves."""

from datetime import UTC, datetime, timedelta

import pytest

from duebook_common.domain.day_hash import DayLine
from duebook_common.domain.queue.state import Pauses
from duebook_common.domain.run.commands import Succeed
from duebook_common.integrity.verify_days import check_days
from duebook_common.integrity.verify_parts import PartContext, TimeRange, plan
from duebook_common.store.database import Pool, snapshot, transaction
from duebook_common.store.day_lines import lines, next_day, note_departure, sets_between, write_line
from duebook_common.store.erasure import erase_runs
from duebook_common.store.partitions import open_period
from support.bookkeeping import ACTOR, NOW, created, do, started
from support.contents import read_the_log
from support.planted_faults import unguarded

TRIGGERS = ("append_only", "only_erasure", "only_later")
DAYS = 3


async def days_of_events(pool: Pool) -> None:
    """Some jobs and runs, whose events were recorded on several days, each with its line."""
    for _ in range(DAYS):
        run = await started(pool, payload={"to": "jane@example.org"})
        await do(pool, run, Succeed(1, {"sent": "jane@example.org"}, NOW))
        await created(pool, recurrence="daily", metadata={"n": 1.5})
    await unguarded(pool, f"UPDATE events SET recorded_at = now() - interval '1 day' * (1 + position % {DAYS})")
    async with transaction(pool) as db:
        await db.execute("ALTER TABLE events ENABLE TRIGGER ALL")
        first = await next_day(db)
    assert first is not None
    for n in range(DAYS):
        assert await write_line(pool, first + timedelta(days=n), datetime.now(UTC)) is not None


async def found(pool: Pool, kept: DayLine | None = None) -> list[str]:
    async with snapshot(pool) as db:
        ranges = [part for part in await plan(db, PartContext(Pauses(), NOW), 2) if isinstance(part, TimeRange)]
        days = [await sets_between(db, part.start, part.end) for part in ranges]
        return [breach.says for breach in await check_days(db, days, kept)]


async def written(pool: Pool) -> list[DayLine]:
    async with snapshot(pool) as db:
        return [line for line, _ in await lines(db)]


async def test_a_sound_log_agrees_with_its_lines_also_after_an_erasure(pool: Pool) -> None:
    await days_of_events(pool)
    before = await written(pool)
    assert (len(before), sum(line.events for line in before)) == (
        DAYS,
        await pool.fetchval("SELECT count(*) FROM events"),
    )
    assert await found(pool) == []
    await read_the_log(pool)
    runs = [run_id for (run_id,) in await pool.fetch("SELECT run_id FROM runs WHERE status = 'succeeded'")]
    assert all(result.error is None for result in (await erase_runs(pool, runs, None, NOW, ACTOR)).values())
    assert await pool.fetchval("SELECT count(*) FROM events WHERE data::text LIKE '%jane%'") == 3
    assert await found(pool, before[-1]) == []
    assert await written(pool) == before


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE events SET data = data || '{{"at": "2020-01-01T00:00:00Z"}}' WHERE position = {}""",
        """UPDATE events SET data = jsonb_set(data, '{{definition,metadata,n}}', '1.50') WHERE type = 'JobCreated'""",
        """UPDATE events SET meta = '{{"actor": "API key ops"}}' WHERE position = {}""",
        "UPDATE events SET recorded_at = recorded_at + interval '1 microsecond' WHERE position = {}",
        "UPDATE events SET salt = gen_random_uuid() WHERE position = {}",
        "UPDATE events SET sealed = '' WHERE position = {}",
        """UPDATE events SET sealed = commitment_of(salt, data), salt = NULL,
           data = jsonb_set(data, '{{result}}', '"forged"') WHERE type = 'AttemptSucceeded'""",
        "DELETE FROM events WHERE position = {}",
        "UPDATE day_lines SET events = events + 1 WHERE day = (SELECT min(day) FROM day_lines)",
        "UPDATE day_lines SET hash = repeat('a', 64) WHERE day = (SELECT max(day) FROM day_lines)",
        "DELETE FROM day_lines WHERE day = (SELECT min(day) + 1 FROM day_lines)",
    ],
)
async def test_each_change_is_found(pool: Pool, change: str) -> None:
    await days_of_events(pool)
    await unguarded(pool, change.format(await pool.fetchval("SELECT max(position) FROM events")))
    assert await found(pool) != []


async def test_lines_that_were_all_computed_anew_differ_from_one_kept_elsewhere(pool: Pool) -> None:
    await days_of_events(pool)
    [first, *_, last] = await written(pool)
    await unguarded(pool, "UPDATE events SET meta = '{\"actor\": \"API key ops\"}' WHERE type = 'AttemptSucceeded'")
    await pool.execute("TRUNCATE day_lines")
    for n in range(DAYS):
        await write_line(pool, first.day + timedelta(days=n), datetime.now(UTC))
    assert await found(pool) == []
    assert await found(pool, last) == ["the line that was kept elsewhere is not in the chain"]


async def test_what_has_left_with_its_period_still_counts(pool: Pool) -> None:
    await days_of_events(pool)
    born = await pool.fetchval("SELECT born FROM periods WHERE status = 'open'")
    async with transaction(pool) as db:
        assert await open_period(db, born + timedelta(days=40))
    await note_departure(pool, born)
    assert await found(pool) == []  # noted, and still there
    await unguarded(pool, f"DELETE FROM events WHERE born = '{born.isoformat()}'")
    assert await found(pool) != []
    await pool.execute("UPDATE periods SET status = 'archived' WHERE born = $1", born)
    assert await found(pool) == []
    today = (await written(pool))[-1].day + timedelta(days=1)
    await write_line(pool, today, datetime.now(UTC))
    assert await found(pool) == []
    await pool.execute("UPDATE departed_days SET events = events + 1, covered_by = covered_by")
    assert await found(pool) != []


async def test_contents_that_were_put_into_an_erased_event_are_found(pool: Pool) -> None:
    await days_of_events(pool)
    await read_the_log(pool)
    runs = [run_id for (run_id,) in await pool.fetch("SELECT run_id FROM runs WHERE status = 'succeeded'")]
    await erase_runs(pool, runs, None, NOW, ACTOR)
    await unguarded(pool, """UPDATE events SET data = data || '{"result": "forged"}' WHERE type = 'AttemptSucceeded'""")
    assert await found(pool) != []


async def test_a_period_that_leaves_while_a_line_is_written_counts_once(pool: Pool) -> None:
    await created(pool)
    async with snapshot(pool) as db:
        day = await next_day(db)
    assert day is not None
    born = await pool.fetchval("SELECT born FROM periods WHERE status = 'open'")
    async with transaction(pool) as db:
        assert await open_period(db, born + timedelta(days=40))
    await note_departure(pool, born)
    await pool.execute(
        "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE periods SET status = 'archived' "
        f"WHERE born = '{born.isoformat()}'; RETURN NULL; END $$"
    )
    await pool.execute("CREATE TRIGGER leave AFTER UPDATE OF until ON day_claims FOR EACH ROW EXECUTE FUNCTION leave()")
    assert await write_line(pool, day, datetime.now(UTC)) is None
    await unguarded(pool, f"DELETE FROM events WHERE born = '{born.isoformat()}'")
    assert await write_line(pool, day, datetime.now(UTC)) is not None
    assert await found(pool) == []


async def test_one_process_at_a_time_writes_the_line_of_a_day(pool: Pool) -> None:
    await created(pool)
    async with snapshot(pool) as db:
        day = await next_day(db)
    assert day is not None
    now = datetime.now(UTC)
    await pool.execute("INSERT INTO day_claims (until) VALUES ($1)", now + timedelta(minutes=1))
    assert await write_line(pool, day, now) is None
    later = now + timedelta(minutes=2)  # that process was killed
    assert await write_line(pool, day, later) is not None
    assert await write_line(pool, day, later) is None
