"""Schedules that name few times or none: a search for the next one ends soon, whatever the question."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from duebook_common.domain.definition import Cron, Definition, Dst, Recurrence, Rrule
from duebook_common.domain.schedule.nominal import count_between, last_between, next_after, nominal_times
from support.cost import cpu_seconds
from support.samples import DAY, a_definition

START = datetime(2026, 11, 24, 9, tzinfo=UTC)
RARE = Rrule("FREQ=WEEKLY;INTERVAL=997;BYMONTH=5;BYDAY=SA,SU;BYMINUTE=20;BYSETPOS=-1")


def rare(recurrence: Recurrence, zone: str = "Europe/Berlin", **fields: Any) -> Definition:
    return a_definition(**{"recurrence": recurrence, "timezone": zone, "scheduled_at": START} | fields)


NEVER = [
    rare(Cron("30 2 * 3 SUNL"), dst=Dst("skip")),
    rare(Cron("30 2 28 3 */7"), dst=Dst("skip"), scheduled_at=START.replace(year=1990)),
    rare(Cron("*/30 2 28 3 */7")),
    rare(Cron("30 2 * 3 SUN#2"), "America/New_York", dst=Dst("skip")),
    rare(Cron("15 2 * 10 SUN#1"), "Australia/Lord_Howe", dst=Dst("skip")),
    rare(Cron("0 0 29 2 *"), scheduled_at=datetime(9997, 1, 1, tzinfo=UTC)),
    rare(Cron("0 0 29 2 *"), scheduled_at=datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    rare(Rrule("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30"), dst=Dst("skip")),
    rare(Rrule("FREQ=MONTHLY;BYMONTH=3;BYDAY=-1SU;BYHOUR=2;BYMINUTE=0,59"), dst=Dst("skip")),
    rare(Rrule("FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2")),
    rare(Rrule("FREQ=YEARLY;INTERVAL=3"), scheduled_at=datetime(9998, 2, 28, tzinfo=UTC), ends_at=START),
]


@pytest.mark.parametrize("definition", NEVER)
def test_a_schedule_that_never_fires_is_known_in_milliseconds(definition: Definition) -> None:
    assert next_after(definition, None) is None
    assert min(cpu_seconds(lambda: next_after(definition, None)) for _ in range(3)) < 0.03


def test_a_series_goes_on_after_years_of_times_in_gaps() -> None:
    """In Berlin 28 March at 02:30 is in a gap if it is a Sunday, which it is four times in 28 years."""
    series = rare(Cron("30 2 28 3 *"), dst=Dst("skip"), scheduled_at=START.replace(year=2000))
    years = [time.year for time in islice(nominal_times(series), 30)]
    assert years == [year for year in range(2001, 2037) if year not in {2004, 2010, 2021, 2027, 2032}][:30]


@pytest.mark.parametrize("definition", [*NEVER, rare(RARE, "Australia/Lord_Howe"), rare(Cron("0 0 29 2 */7"))])
def test_questions_about_a_day_search_no_further(definition: Definition) -> None:
    day = START.replace(year=2030)
    assert count_between(definition, day, day + DAY) == 0
    assert min(cpu_seconds(lambda: last_between(definition, day, day + DAY)) for _ in range(3)) < 0.003


@pytest.mark.parametrize("recurrence", [Cron("7 3 * * *"), Rrule("FREQ=DAILY;BYHOUR=3;BYMINUTE=7"), "daily"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_counts_of_a_window_miss_no_time_at_its_end(recurrence: Recurrence, zone: str) -> None:
    definition = rare(recurrence, zone)
    for time in islice(nominal_times(definition), 200):
        assert count_between(definition, time, time) == 1
