"""The triggers that guard the log: `verify` finds each that is off or missing, and none in a sound database."""

import pytest

from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verify import verify
from duebook_common.integrity.verify_triggers import check_triggers
from duebook_common.store.database import Pool, snapshot, transaction
from duebook_common.store.partitions import open_period
from support.bookkeeping import NOW, created
from support.planted_faults import LONG_AGO

LATER = NOW.replace(year=NOW.year + 70)
TRIGGERS = ("append_only", "only_erasure", "only_later")


async def found(pool: Pool) -> list[Breach]:
    return list((await verify(pool, LONG_AGO)).breaches)


def disabled(table: str, trigger: str) -> Breach:
    says = (
        f"the trigger {trigger} is off, so events may have been changed: "
        f"`ALTER TABLE {table} ENABLE TRIGGER {trigger}`, then `duebook verify`"
    )
    return Breach(Invariant.APPEND_ONLY, f"table {table}", says)


async def test_a_log_without_its_triggers_is_found_though_its_events_agree(pool: Pool) -> None:
    await created(pool, recurrence="daily")
    assert await found(pool) == []
    await pool.execute("ALTER TABLE events DISABLE TRIGGER ALL")
    breaches = await found(pool)
    assert [breach for breach in breaches if breach.stream == "table events"] == [
        disabled("events", trigger) for trigger in TRIGGERS
    ]
    for breach in breaches:
        await pool.execute(breach.says.split("`")[1])
    assert await found(pool) == []


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("how", ["DISABLE", "ENABLE REPLICA"])
async def test_a_trigger_that_is_off_for_one_partition_is_named(pool: Pool, how: str, trigger: str) -> None:
    await pool.execute(f"ALTER TABLE events_kept {how} TRIGGER {trigger}")
    assert await found(pool) == [disabled("events_kept", trigger)]


@pytest.mark.parametrize("table", ["events", "events_kept"])
async def test_a_trigger_that_is_missing_is_named(pool: Pool, table: str) -> None:
    await pool.execute(f"DROP TRIGGER append_only ON {table}")
    [breach] = await found(pool)
    assert (breach.invariant, breach.stream) == (Invariant.APPEND_ONLY, f"table {table}")
    assert breach.says.startswith("the trigger append_only is missing")


async def test_triggers_that_fire_always_are_no_breach_nor_are_periods_that_leave(pool: Pool) -> None:
    await created(pool, recurrence="daily")
    async with transaction(pool) as db:
        await open_period(db, LATER)
    await pool.execute("UPDATE periods SET status = 'leaving' WHERE born = (SELECT min(born) FROM periods)")
    await pool.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER append_only")
    assert await found(pool) == []


async def test_a_partition_that_comes_or_goes_meanwhile_is_no_breach(pool: Pool) -> None:
    async with snapshot(pool) as db:
        first = await db.fetchval("SELECT min(born) FROM periods")
        await pool.execute("SELECT open_period($1)", LATER)
        await pool.execute("UPDATE periods SET status = 'leaving' WHERE born = $1", first)
        await pool.execute("SELECT drop_period($1)", first)
        assert await check_triggers(db) == []
