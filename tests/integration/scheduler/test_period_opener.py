"""The scheduler opens the period of the database's time, once."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from duebook_common.domain.periods import PeriodLength, period_start
from duebook_common.store.database import Pool
from duebook_scheduler import period_opener
from duebook_scheduler.period_opener import PeriodOpener
from support.leaving import all_periods, close


async def test_many_schedulers_open_a_period_once(pool: Pool) -> None:
    [first] = await all_periods(pool)
    before = await pool.fetchval("SELECT clock_timestamp()")
    openers = [PeriodOpener(pool, PeriodLength.HOUR) for _ in range(4)]
    assert await asyncio.gather(*(opener.step() for opener in openers)) == [0] * 4
    known = await all_periods(pool)
    starts = {first.born, *(period_start(before + timedelta(hours=n), PeriodLength.HOUR) for n in (0, 1))}
    assert {period.born for period in known} <= starts
    assert [period.status for period in known].count("open") == 1
    assert len({period.born for period in known}) == len(known)


async def test_a_longer_period_begins_at_its_next_start(pool: Pool) -> None:
    await PeriodOpener(pool, PeriodLength.HOUR).step()
    known = await all_periods(pool)
    await PeriodOpener(pool, PeriodLength.MONTH).step()
    assert (await all_periods(pool))[: len(known)] == known


async def test_many_periods_are_warned_of_once(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(period_opener, "MANY", 1)
    opener = PeriodOpener(pool, PeriodLength.MONTH)
    with capture_logs() as logs:
        await opener.step()
        await close(pool)
        for _ in range(2):
            await opener.step()
    assert [(entry["log_level"], entry["periods"]) for entry in logs] == [("warning", 2)]
