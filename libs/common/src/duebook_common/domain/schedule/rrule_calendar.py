"""Which days of the calendar a recurrence rule names, whatever its interval."""

from calendar import isleap, monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from itertools import accumulate

from duebook_common.domain.schedule.rrule import Freq, Rule

_STARTS = [[0, *accumulate(monthrange(year, month)[1] for month in range(1, 13))] for year in (2001, 2000)]


@dataclass(frozen=True, slots=True)
class NamedDays:
    """What a day must be to be named; empty collections ask nothing."""

    months: frozenset[int]
    month_days: frozenset[int]
    year_days: frozenset[int]
    weeks: frozenset[int]
    weekdays: frozenset[int]
    nth: frozenset[tuple[int, int]]
    nth_of_month: bool
    week_start: int

    def name(self, day: date) -> bool:
        return (
            (not self.months or day.month in self.months)
            and (not self.month_days or _either(day.day, monthrange(day.year, day.month)[1], self.month_days))
            and (not self.year_days or _either(_day_of_year(day), length(day.year), self.year_days))
            and (not self.weeks or _either(*self._week(day), self.weeks))
            and (not (self.weekdays or self.nth) or day.weekday() in self.weekdays or self._counted(day))
        )

    def _week(self, day: date) -> tuple[int, int]:
        """The number of the day's week and that of the last week of the year to which most of the week belongs."""
        middle = day + timedelta(days=3 - (day.weekday() - self.week_start) % 7)
        number = (_day_of_year(middle) + 6) // 7
        return number, number + (length(middle.year) - _day_of_year(middle)) // 7

    def _counted(self, day: date) -> bool:
        if not self.nth:
            return False
        month = self.nth_of_month
        place = day.day if month else _day_of_year(day)
        last = monthrange(day.year, day.month)[1] if month else length(day.year)
        weekday = day.weekday()
        return (weekday, (place + 6) // 7) in self.nth or (weekday, -((last - place) // 7) - 1) in self.nth


def _either(place: int, last: int, wanted: frozenset[int]) -> bool:
    """Whether the place is wanted, counted from the start or, negative, from the end."""
    return place in wanted or place - last - 1 in wanted


def _day_of_year(day: date) -> int:
    return day.toordinal() - date(day.year, 1, 1).toordinal() + 1


def month_of(length: int, month: int) -> tuple[int, int]:
    """Where in a year of that length a month (from 0) begins, and where the next."""
    starts = _STARTS[length - 365]
    return starts[month], starts[month + 1]


def length(year: int) -> int:
    return 365 + isleap(year)


def of_rule(rule: Rule, start: datetime) -> NamedDays:
    """The days that a rule names; where it says nothing of them, that of its start, as often as its period is long."""
    freq, months, month_days, weekdays = rule.freq, rule.months, rule.month_days, rule.weekdays
    if not (rule.weeks or rule.year_days or month_days or weekdays or rule.nth):
        if freq is Freq.YEARLY:
            months = months or frozenset({start.month})
        if freq <= Freq.MONTHLY:
            month_days = frozenset({start.day})
        if freq is Freq.WEEKLY:
            weekdays = frozenset({start.weekday()})
    return NamedDays(
        months=months,
        month_days=month_days,
        year_days=rule.year_days,
        weeks=rule.weeks,
        weekdays=weekdays,
        nth=rule.nth,
        nth_of_month=freq is Freq.MONTHLY or bool(rule.months),
        week_start=rule.week_start,
    )


def named_in(days: NamedDays, year: int) -> bytes:
    """For each day of the year whether it is named: 1 or 0."""
    return named_in_twin(days, _twins()[_kind(year)])


@lru_cache(maxsize=8192)
def named_in_twin(days: NamedDays, year: int) -> bytes:
    named = bytearray()
    for month in range(1, 13):
        last = monthrange(year, month)[1]
        asked = not days.months or month in days.months
        named += bytes(days.name(date(year, month, n)) for n in range(1, last + 1)) if asked else bytes(last)
    return bytes(named)


def _kind(year: int) -> tuple[int, bool, bool, bool]:
    """Years of one kind have the same days, weeks included: these reach into the years around."""
    return date(year, 1, 1).weekday(), isleap(year - 1), isleap(year), isleap(year + 1)


@cache
def _twins() -> dict[tuple[int, bool, bool, bool], int]:
    """A year of each kind: the calendar repeats itself every 400 years."""
    return {_kind(year): year for year in range(2000, 2400)}
