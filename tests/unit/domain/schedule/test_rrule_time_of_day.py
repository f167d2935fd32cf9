"""The times of day of recurrence rules, in seconds after midnight."""

from datetime import datetime

import pytest

from duebook_common.domain.schedule.rrule import parse
from duebook_common.domain.schedule.rrule_time_of_day import TimesOfDay, positions

START = datetime.fromisoformat("2026-11-24T10:05:30")


def times(rule: str, days_later: int = 0) -> list[str]:
    seconds = TimesOfDay(parse(rule), START).on(START.toordinal() + days_later)
    return [f"{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}" for n in (seconds[k] for k in range(len(seconds)))]


@pytest.mark.parametrize("freq", ["YEARLY", "MONTHLY", "WEEKLY", "DAILY"])
def test_a_rule_of_days_has_the_same_times_on_each_day(freq: str) -> None:
    assert times(f"FREQ={freq}") == times(f"FREQ={freq}", days_later=1) == ["10:05:30"]
    assert times(f"FREQ={freq};BYHOUR=9,17;BYSECOND=0") == ["09:05:00", "17:05:00"]


def test_an_interval_of_hours_is_counted_from_the_start_across_days() -> None:
    assert times("FREQ=HOURLY;INTERVAL=7") == ["03:05:30", "10:05:30", "17:05:30"]
    assert times("FREQ=HOURLY;INTERVAL=7", days_later=1) == ["00:05:30", "07:05:30", "14:05:30", "21:05:30"]


def test_by_hour_and_by_minute_keep_some_of_the_minutes_that_the_interval_selects() -> None:
    assert times("FREQ=MINUTELY;INTERVAL=20;BYHOUR=10,11") == [f"{h}:{m:02}:30" for h in (10, 11) for m in (5, 25, 45)]
    assert times("FREQ=MINUTELY;BYHOUR=10;BYMINUTE=1,2;BYSECOND=0,30") == [
        "10:01:00", "10:01:30", "10:02:00", "10:02:30",
    ]  # fmt: skip


def test_positions_select_among_the_times_of_a_day_an_hour_or_a_minute() -> None:
    assert times("FREQ=DAILY;BYHOUR=8,12,18;BYSETPOS=1,-1") == ["08:05:30", "18:05:30"]
    assert times("FREQ=HOURLY;INTERVAL=12;BYMINUTE=10,20,30;BYSETPOS=2") == ["10:20:30", "22:20:30"]
    assert positions(frozenset({-3, 2, 4}), 3) == [0, 1]


def test_an_interval_longer_than_a_day_selects_some_days_only() -> None:
    of_rule, first = TimesOfDay(parse("FREQ=HOURLY;INTERVAL=36"), START), START.toordinal()
    days = list(range(first, first + 7))
    assert of_rule.days_selected(days) == [first, first + 1, first + 3, first + 4, first + 6]
    assert [bool(times("FREQ=HOURLY;INTERVAL=36", n)) for n in range(7)] == [True, True, False, True, True, False, True]


@pytest.mark.parametrize(
    ("rule", "exist"),
    [
        ("FREQ=HOURLY;INTERVAL=24;BYHOUR=10", True),
        ("FREQ=HOURLY;INTERVAL=24;BYHOUR=11", False),
        ("FREQ=HOURLY;INTERVAL=7;BYHOUR=11", True),
        ("FREQ=MINUTELY;INTERVAL=60;BYMINUTE=31", False),
        ("FREQ=DAILY;BYHOUR=8;BYSETPOS=2", False),
    ],
)
def test_whether_there_are_any_times_is_known_without_a_search(rule: str, exist: bool) -> None:
    assert TimesOfDay(parse(rule), START).exist() is exist
