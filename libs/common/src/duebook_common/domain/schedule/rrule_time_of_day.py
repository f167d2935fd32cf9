"""Which times of day a recurrence rule generates, in seconds after midnight."""

from datetime import datetime
from itertools import product
from math import gcd

from duebook_common.domain.schedule.rrule import Frequency, Rule
from duebook_common.domain.schedule.times import IntSequence, PairSums

_DAY = 24 * 60 * 60  # seconds
_UNITS_PER_DAY = {Frequency.HOURLY: 24, Frequency.MINUTELY: 24 * 60}


class TimesOfDay:
    """The times that a rule has on a day, whether or not the day matches its BY-day parts.

    A day consists of units: 24 hours for HOURLY, 1,440 minutes for MINUTELY, and for a longer FREQ one unit, the day.
    INTERVAL selects every so many units (of a rule with FREQ=WEEKLY or longer, all), counted from that of the start.
    BYHOUR and BYMINUTE drop some of them. Each unit that is left has the same times, `within_unit`.

    >>> from duebook_common.domain.schedule import rrule
    >>> start = datetime(2026, 11, 24, 10)
    >>> times = TimesOfDay(rrule.parse("FREQ=HOURLY;INTERVAL=9;BYMINUTE=0,30"), start)
    >>> [f"{seconds // 3600}:{seconds // 60 % 60:02}" for seconds in times.on(start.toordinal())]
    ['1:00', '1:30', '10:00', '10:30', '19:00', '19:30']
    >>> [f"{seconds // 3600}:{seconds // 60 % 60:02}" for seconds in times.on(start.toordinal() + 1)]
    ['4:00', '4:30', '13:00', '13:30', '22:00', '22:30']
    """

    def __init__(self, rule: Rule, start: datetime) -> None:
        self._by_hour, self._by_minute = rule.by_hour, rule.by_minute
        self._units_per_day = _UNITS_PER_DAY.get(rule.freq, 1)
        self._interval = rule.interval if rule.freq >= Frequency.DAILY else 1
        second_of_day = start.hour * 3600 + start.minute * 60 + start.second
        self._first_unit = (start.toordinal() * _DAY + second_of_day) * self._units_per_day // _DAY
        self._units_by_first: dict[int, list[int]] = {}
        self.within_unit = _within_unit(rule, start)

    def exist(self) -> bool:
        """Whether any day has any times.

        Over all days INTERVAL selects the units of a day that differ from the first one by a multiple of the greatest
        common divisor of INTERVAL and the number of units in a day.
        """
        step = gcd(self._interval, self._units_per_day)
        units = range(self._first_unit % step, self._units_per_day, step)
        return bool(len(self.within_unit)) and any(map(self._is_kept, units))

    def days_selected(self, days: list[int]) -> list[int]:
        """The days (ordinals) on which INTERVAL selects a unit."""
        first, units, interval = self._first_unit, self._units_per_day, self._interval
        if interval <= units:
            return days
        return [day for day in days if (first - day * units) % interval < units]

    def on(self, day: int) -> IntSequence:
        """The times on a day (ordinal), in seconds after midnight."""
        if self._units_per_day == 1:
            return self.within_unit
        first = (self._first_unit - day * self._units_per_day) % self._interval  # the first unit selected on that day
        if first not in self._units_by_first:
            size = _DAY // self._units_per_day
            selected = range(first, self._units_per_day, self._interval)
            self._units_by_first[first] = [unit * size for unit in selected if self._is_kept(unit)]
        return PairSums(self._units_by_first[first], self.within_unit)

    def _is_kept(self, unit: int) -> bool:
        """Whether BYHOUR and BYMINUTE keep the hour or minute."""
        if self._units_per_day == 1:
            return True  # they are in `within_unit`
        hour, minute = divmod(unit, self._units_per_day // 24)
        is_minute_kept = self._units_per_day == 24 or not self._by_minute or minute in self._by_minute
        return is_minute_kept and (not self._by_hour or hour in self._by_hour)


def positions(by_set_pos: frozenset[int], size: int) -> list[int]:
    """The indexes that BYSETPOS selects in a list of that size: 1 is the first, -1 the last.

    >>> positions(frozenset({1, -1, 9}), 5)
    [0, 4]
    """
    indexes = {position - 1 if position > 0 else size + position for position in by_set_pos}
    return sorted(index for index in indexes if 0 <= index < size)


def _within_unit(rule: Rule, start: datetime) -> IntSequence:
    """The times in each unit, in seconds after its start. What the rule leaves out is taken from the start.

    BYSETPOS of a rule with FREQ=DAILY or shorter is applied here, because its periods are no longer than a unit.
    """
    seconds: IntSequence = sorted(rule.by_second or {start.second})
    if rule.freq is not Frequency.MINUTELY:
        hours = [0] if rule.freq is Frequency.HOURLY else sorted(rule.by_hour or {start.hour})
        minutes = sorted(rule.by_minute or {start.minute})
        seconds = PairSums([hour * 3600 + minute * 60 for hour, minute in product(hours, minutes)], seconds)
    if rule.by_set_pos and rule.freq >= Frequency.DAILY:
        return [seconds[index] for index in positions(rule.by_set_pos, len(seconds))]
    return seconds
