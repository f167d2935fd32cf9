"""Which days of the calendar match the BY-day parts of a recurrence rule, regardless of its INTERVAL.

A year's matching days are a mask: one byte for each day, 1 or 0. There are only 28 kinds of years (by weekday of
1 January and leap years around it), so the masks are computed for one sample year of each kind and cached.
"""

from bisect import bisect_left
from calendar import isleap, monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from itertools import accumulate

from duebook_common.domain.schedule.rrule import Frequency, Rule

_MONTH_STARTS = [[0, *accumulate(monthrange(year, month)[1] for month in range(1, 13))] for year in (2001, 2000)]


class MatchingDays:
    """The days that match a rule's filter, as ordinals of the calendar (`date.toordinal`)."""

    def __init__(self, day_filter: "DayFilter") -> None:
        self._filter = day_filter
        self._years: dict[int, tuple[int, bytes]] = {}

    def within(self, days: range) -> Iterator[list[int]]:
        """The matching days of the range, one list for each year that has any."""
        while days:
            january_1, mask = self._year(date.fromordinal(days[0]).year)
            days_of_year = days[: bisect_left(days, january_1 + len(mask))]
            if 1 in mask:
                yield [day for day in days_of_year if mask[day - january_1]]
            days = days[len(days_of_year) :]

    def year(self, year: int) -> tuple[range, int]:
        """The year's days, and how many of them match."""
        january_1, mask = self._year(year)
        return range(january_1, january_1 + len(mask)), mask.count(1)

    def month(self, year: int, month: int) -> tuple[range, int]:
        """The days of a month (January is 0), and how many of them match."""
        january_1, mask = self._year(year)
        starts = _MONTH_STARTS[len(mask) - 365]
        low, high = starts[month], starts[month + 1]
        return range(january_1 + low, january_1 + high), mask.count(1, low, high)

    def _year(self, year: int) -> tuple[int, bytes]:
        """The ordinal of 1 January, and the year's mask."""
        if year not in self._years:
            self._years[year] = date(year, 1, 1).toordinal(), year_mask(self._filter, _sample_years()[_kind(year)])
        return self._years[year]


@dataclass(frozen=True, slots=True)
class DayFilter:
    """The conditions that a day must meet; an empty set is no condition. Negative numbers count from the end."""

    months: frozenset[int]
    month_days: frozenset[int]
    year_days: frozenset[int]
    weeks: frozenset[int]
    weekdays: frozenset[int]
    nth_weekdays: frozenset[tuple[int, int]]
    nth_within_month: bool  # else within the year
    week_start: int

    def matches(self, day: date) -> bool:
        return (
            (not self.months or day.month in self.months)
            and (not self.month_days or _is_one_of(self.month_days, day.day, _month_length(day)))
            and (not self.year_days or _is_one_of(self.year_days, _day_of_year(day), _year_length(day.year)))
            and (not self.weeks or _is_one_of(self.weeks, *self._week(day)))
            and (not (self.weekdays or self.nth_weekdays) or day.weekday() in self.weekdays or self._is_nth(day))
        )

    def _week(self, day: date) -> tuple[int, int]:
        """The day's week number, and that of the last week of the same year.

        As in ISO 8601, a week belongs to the year that has most of its days, which is the year of its fourth day.
        """
        fourth_day = day + timedelta(days=3 - (day.weekday() - self.week_start) % 7)
        number = (_day_of_year(fourth_day) + 6) // 7
        return number, number + (_year_length(fourth_day.year) - _day_of_year(fourth_day)) // 7

    def _is_nth(self, day: date) -> bool:
        """Whether the day is one of the numbered weekdays: the second Monday, the last Friday."""
        if not self.nth_weekdays:
            return False
        month = self.nth_within_month
        number, last = (day.day, _month_length(day)) if month else (_day_of_year(day), _year_length(day.year))
        from_start, from_end = (number + 6) // 7, -((last - number) // 7) - 1
        return (day.weekday(), from_start) in self.nth_weekdays or (day.weekday(), from_end) in self.nth_weekdays


def day_filter(rule: Rule, start: datetime) -> DayFilter:
    """The rule's day filter. Without any BY-day part it is the start's day, as RFC 5545 says.

    That is the same date for YEARLY, the day of month for MONTHLY and the weekday for WEEKLY.
    """
    freq, months, month_days, weekdays = rule.freq, rule.by_month, rule.by_month_day, rule.by_weekday
    if not (rule.by_week_no or rule.by_year_day or month_days or weekdays or rule.by_nth_weekday):
        if freq is Frequency.YEARLY:
            months = months or frozenset({start.month})
        if freq <= Frequency.MONTHLY:
            month_days = frozenset({start.day})
        if freq is Frequency.WEEKLY:
            weekdays = frozenset({start.weekday()})
    return DayFilter(
        months=months,
        month_days=month_days,
        year_days=rule.by_year_day,
        weeks=rule.by_week_no,
        weekdays=weekdays,
        nth_weekdays=rule.by_nth_weekday,
        nth_within_month=freq is Frequency.MONTHLY or bool(rule.by_month),
        week_start=rule.week_start,
    )


@lru_cache(maxsize=8192)
def year_mask(filter_: DayFilter, year: int) -> bytes:
    """For each day of the year, 1 if it matches and 0 if not."""
    mask = bytearray()
    for month in range(1, 13):
        length = monthrange(year, month)[1]
        if filter_.months and month not in filter_.months:
            mask += bytes(length)
        else:
            mask += bytes(filter_.matches(date(year, month, day)) for day in range(1, length + 1))
    return bytes(mask)


def _is_one_of(numbers: frozenset[int], number: int, last: int) -> bool:
    """Whether the set has the number, counted from the start or, as a negative number, from the end."""
    return number in numbers or number - last - 1 in numbers


def _day_of_year(day: date) -> int:
    return day.toordinal() - date(day.year, 1, 1).toordinal() + 1


def _month_length(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def _year_length(year: int) -> int:
    return 365 + isleap(year)


def _kind(year: int) -> tuple[int, bool, bool, bool]:
    """All that a year's mask depends on. Weeks reach into the years before and after, so these count too."""
    return date(year, 1, 1).weekday(), isleap(year - 1), isleap(year), isleap(year + 1)


@cache
def _sample_years() -> dict[tuple[int, bool, bool, bool], int]:
    """A year of each kind. The Gregorian calendar repeats itself every 400 years, so these have all kinds."""
    return {_kind(year): year for year in range(2000, 2400)}
