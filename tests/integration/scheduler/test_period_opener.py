"""The scheduler opens the period of the database's time, once."""

import asyncio
from datetime import timedelta

from duebook_common.domain.periods import PeriodLength, period_start
from duebook_common.store.database import Pool
from duebook_scheduler.period_opener import PeriodOpener
from support.leaving import all_periods


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
