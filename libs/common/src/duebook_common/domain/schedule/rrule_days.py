"""Which wall-clock times a recurrence rule names, from where it starts; bounded in what that may cost.

The calendar repeats itself every 400 years, so a rule is followed for that long and then ends.
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import MAXYEAR, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import groupby, product
from math import gcd

from duebook_common.domain.schedule import rrule_calendar
from duebook_common.domain.schedule.rrule import Freq, Rule
from duebook_common.domain.schedule.times import Numbers, Sums, Times

YEARS = 400
_SECONDS = 24 * 60 * 60
_UNITS = {Freq.HOURLY: 24, Freq.MINUTELY: 24 * 60}  # in a day


@lru_cache(maxsize=1024)
def series(rule: Rule, start: datetime) -> "Series":
    """The rule from there on, with what it takes to know its end worked out once."""
    return Series(rule, start)


class Series:
    """A rule that starts at `start` (naive): what it leaves out is taken from there, as RFC 5545 has it."""

    def __init__(self, rule: Rule, start: datetime) -> None:
        self._rule, self._start = rule, start
        self._first = start.toordinal()
        self._last = date(min(start.year + YEARS, MAXYEAR), 12, 31).toordinal()
        self._week = self._first - (start.weekday() - rule.week_start) % 7  # the first day of the first week
        # Whether positions choose among the days of a period; within a day they have chosen already.
        self._picks = bool(rule.positions) and rule.freq < Freq.DAILY
        self._least = min(map(abs, rule.positions), default=0)
        self._days = rrule_calendar.of_rule(rule, start)
        self._years: dict[int, tuple[int, bytes]] = {}
        self._fraction = timedelta(microseconds=0 if rule.seconds else start.microsecond)
        self._clock = _Clock(rule, start)

    def named_days(self, start: datetime) -> Iterator[Times]:
        """The days from that of `start` (naive) on that the rule names, each with its wall-clock times."""
        for ordinal, numbers in self._named(max(start.toordinal(), self._first)):
            day = self._day(ordinal, numbers)
            within = day if self._end is None else day.until(self._end)
            if within:
                yield within
            if len(within) < len(day):
                return

    @cached_property
    def _end(self) -> datetime | None:
        """What the wall clock shows at the last time that counts, if any does."""
        until, left = self._rule.until, self._rule.count
        if left is None:
            return until if until is not None and until.tzinfo is None else None
        for ordinal, numbers in self._named(self._first):
            size = len(numbers) if ordinal > self._first else len(self._day(ordinal, numbers))
            if size >= left:
                return self._day(ordinal, numbers).head(left).last
            left -= size
        return None

    def _day(self, ordinal: int, numbers: Numbers) -> Times:
        day = Times(datetime.fromordinal(ordinal) + self._fraction, numbers)
        return day.since(self._start) if ordinal == self._first else day

    def _named(self, first: int) -> Iterator[tuple[int, Numbers]]:
        """Days from `first` on with their times."""
        if not self._clock.fires() or not self._positions_exist():
            return
        for span in self._spans(first):
            days = self._named_in(span)
            named = self._picked(days) if self._picks else ((day, self._clock.times(day)) for day in days)
            yield from ((day, numbers) for day, numbers in named if day >= first and len(numbers))

    def _positions_exist(self) -> bool:
        """Whether a period is ever long enough for one of the positions."""
        if not self._picks:
            return True
        most = {Freq.YEARLY: 366, Freq.MONTHLY: 31, Freq.WEEKLY: len(self._rule.weekdays) or 1}[self._rule.freq]
        return self._least <= most * len(self._clock.numbers)

    def _picked(self, days: Iterator[int]) -> Iterator[tuple[int, Numbers]]:
        """What positions choose in each period."""
        numbers = self._clock.numbers
        weekly = self._rule.freq is Freq.WEEKLY  # of longer periods a span holds just one
        for _, period in groupby(days, lambda day: weekly and (day - self._week) // 7):
            within = list(period)
            if len(within) * len(numbers) < self._least:
                continue
            chosen = _chosen(self._rule.positions, len(within) * len(numbers))
            for which, places in groupby(chosen, lambda place: place // len(numbers)):
                yield within[which], [numbers[place % len(numbers)] for place in places]

    def _spans(self, first: int) -> Iterator[range]:
        """Ranges of days that hold all periods from that of `first` on whose turn it is: months and years one by one.

        But all as one where positions need no periods and every month or year has its turn.
        """
        freq, interval = self._rule.freq, self._rule.interval
        if freq >= Freq.WEEKLY or (interval == 1 and not self._picks):
            yield range(first - (first - self._week) % 7, self._last + 1)
            return
        day, yearly = date.fromordinal(first), freq is Freq.YEARLY
        months = interval * (12 if yearly else 1)
        start = self._start.year * 12 + (0 if yearly else self._start.month - 1)
        turn = (day.year * 12 + day.month - 1 - start) // months
        for place in range(start + turn * months, (date.fromordinal(self._last).year + 1) * 12, months):
            year, month = divmod(place, 12)
            january, named = self._year(year)
            low, high = (0, len(named)) if yearly else rrule_calendar.month_of(len(named), month)
            if named.count(1, low, high) * len(self._clock.numbers) >= self._least:
                yield range(january + low, january + high)

    def _year(self, year: int) -> tuple[int, bytes]:
        """Its first day, and which of its days are named."""
        if year not in self._years:
            self._years[year] = date(year, 1, 1).toordinal(), rrule_calendar.named_in(self._days, year)
        return self._years[year]

    def _named_in(self, span: range) -> Iterator[int]:
        """The span's days that the rule names, and whose turn it is."""
        while span:
            january, named = self._year(date.fromordinal(span[0]).year)
            here = span[: bisect_left(span, january + len(named))]
            if 1 in named:
                yield from self._in_turn([day for day in here if named[day - january]])
            span = span[len(here) :]

    def _in_turn(self, days: list[int]) -> list[int]:
        """Those whose week has its turn, or on which anything quicker has."""
        interval, week = self._rule.interval, self._week
        if interval > 1 and self._rule.freq is Freq.WEEKLY:
            return [day for day in days if (day - week) // 7 % interval == 0]
        return self._clock.in_turn(days)


class _Clock:
    """Which times of day a rule names, in seconds after midnight.

    A day has so many units that have turns: its hours or minutes where the rule is that quick, else just itself.
    """

    def __init__(self, rule: Rule, start: datetime) -> None:
        self._units = _UNITS.get(rule.freq, 1)
        self._interval = rule.interval if rule.freq >= Freq.DAILY else 1
        self._first = (start.toordinal() * _SECONDS + _second(start)) * self._units // _SECONDS
        self._hours, self._minutes = rule.hours, rule.minutes
        self._outer: dict[int, Numbers] = {}
        numbers = _within_unit(rule, start)
        if rule.positions and rule.freq >= Freq.DAILY:
            numbers = [numbers[place] for place in _chosen(rule.positions, len(numbers))]
        self.numbers: Numbers = numbers

    def fires(self) -> bool:
        """Whether there is any time on any day; turns come round to units that differ by this divisor."""
        divisor = gcd(self._interval, self._units)
        return bool(len(self.numbers)) and any(map(self._is_named, range(self._first % divisor, self._units, divisor)))

    def in_turn(self, days: list[int]) -> list[int]:
        """Those of the days on which a unit has its turn."""
        first, units, interval = self._first, self._units, self._interval
        return days if interval <= units else [day for day in days if (first - day * units) % interval < units]

    def times(self, day: int) -> Numbers:
        if self._units == 1:
            return self.numbers
        turn = (self._first - day * self._units) % self._interval
        if turn not in self._outer:  # at most one for each unit of a day or each of the interval
            size = _SECONDS // self._units
            named = filter(self._is_named, range(turn, self._units, self._interval))
            self._outer[turn] = [unit * size for unit in named]
        return Sums(self._outer[turn], self.numbers)

    def _is_named(self, unit: int) -> bool:
        if self._units == 1:
            return True
        hour, minute = divmod(unit, self._units // 24)
        by_minute = self._units == 24 or not self._minutes or minute in self._minutes
        return by_minute and (not self._hours or hour in self._hours)


def _within_unit(rule: Rule, start: datetime) -> Numbers:
    seconds = sorted(rule.seconds or {start.second})
    if rule.freq is Freq.MINUTELY:
        return seconds
    hours = [0] if rule.freq is Freq.HOURLY else sorted(rule.hours or {start.hour})
    minutes = sorted(rule.minutes or {start.minute})
    return Sums([hour * 3600 + minute * 60 for hour, minute in product(hours, minutes)], seconds)


def _chosen(positions: frozenset[int], size: int) -> list[int]:
    """The places, from 0, of what positions choose among that many."""
    places = {position - 1 if position > 0 else size + position for position in positions}
    return sorted(place for place in places if 0 <= place < size)


def _second(time: datetime) -> int:
    return time.hour * 3600 + time.minute * 60 + time.second
