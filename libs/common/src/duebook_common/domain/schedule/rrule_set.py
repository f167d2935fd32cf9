"""The local times that a recurrence rule generates: its recurrence set (RFC 5545, section 3.8.5.3).

The calendar repeats itself every 400 years, so a rule is followed for that long and then ends. That bounds the cost of
a rule that never generates anything.
"""

from collections.abc import Iterator
from datetime import MAXYEAR, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import groupby

from duebook_common.domain.schedule.rrule import Frequency, Rule
from duebook_common.domain.schedule.rrule_calendar import MatchingDays, day_filter
from duebook_common.domain.schedule.rrule_time_of_day import TimesOfDay, positions
from duebook_common.domain.schedule.times import LAST_LOCAL, IntSequence, TimeSequence

YEARS = 400
_WEEK = 7  # days; BYSETPOS needs all days of the last week
_LONGEST_PERIOD = {Frequency.YEARLY: 366, Frequency.MONTHLY: 31}  # days

_Day = tuple[int, IntSequence]  # its ordinal, and its times in seconds after midnight


@lru_cache(maxsize=1024)
def recurrence_set(rule: Rule, start: datetime) -> "RecurrenceSet":
    """The set from a cache, so that the end by COUNT is computed once."""
    return RecurrenceSet(rule, start)


class RecurrenceSet:
    """The local times of a rule that starts at `start` (naive; DTSTART of RFC 5545), one sequence for each day.

    >>> from duebook_common.domain.schedule import rrule
    >>> start = datetime(2026, 1, 31, 9)  # a Saturday
    >>> def times(text):
    ...     days = RecurrenceSet(rrule.parse(text), start).days_between(start)
    ...     return [f"{time:%a %d %b %H:%M}" for day in days for time in day]

    What the rule does not say is taken from the start, here 09:00 on day 31. A month without that day is left out:

    >>> times("FREQ=MONTHLY;COUNT=3")
    ['Sat 31 Jan 09:00', 'Tue 31 Mar 09:00', 'Sun 31 May 09:00']

    INTERVAL counts whole periods. The first one contains the start: here the week from Monday 26 January on.

    >>> times("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;COUNT=4")
    ['Sun 01 Feb 09:00', 'Mon 09 Feb 09:00', 'Sun 15 Feb 09:00', 'Mon 23 Feb 09:00']

    BYSETPOS selects among all times of a period, here the last one on working days at 9:00 and 17:00:

    >>> times("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,17;BYSETPOS=-1;UNTIL=20260401")
    ['Fri 27 Feb 17:00', 'Tue 31 Mar 17:00']

    The steps, from the calendar to the times:

    1. `_ranges` yields the days of the months and years that INTERVAL selects;
    2. `_selected_days` keeps the days that match the BY-day parts, and applies the INTERVAL of shorter periods;
    3. `_days` gives them their times, and `_at_positions` applies BYSETPOS to each period;
    4. `days_between` cuts off the times after the end by COUNT or UNTIL, and `_times_on` those before the start.
    """

    def __init__(self, rule: Rule, start: datetime) -> None:
        self._rule, self._start = rule, start
        self._first_day = start.toordinal()
        self._last_day = date(min(start.year + YEARS, MAXYEAR), 12, 31).toordinal()
        self._first_week = self._first_day - (start.weekday() - rule.week_start) % 7  # the day on which it begins
        self._fraction = timedelta(microseconds=0 if rule.by_second else start.microsecond)
        self._matching_days = MatchingDays(day_filter(rule, start))
        self._times_of_day = TimesOfDay(rule, start)
        # BYSETPOS of a rule with a shorter FREQ is applied within each day, by TimesOfDay.
        self._selects_positions = bool(rule.by_set_pos) and rule.freq < Frequency.DAILY
        self._lowest_position = min(map(abs, rule.by_set_pos)) if self._selects_positions else 0

    def days_between(self, start: datetime, end: datetime = LAST_LOCAL) -> Iterator[TimeSequence]:
        """The days that have times, from the day of `start` (naive) to the day of `end`, or a period later."""
        last_day = min(end.toordinal(), self._last_day)
        for ordinal, seconds in self._days(max(start.toordinal(), self._first_day), last_day):
            day = self._times_on(ordinal, seconds)
            within = day if self._end is None else day.until(self._end)
            if within:
                yield within
            if len(within) < len(day):
                return

    @cached_property
    def _end(self) -> datetime | None:
        """The last local time by COUNT or by UNTIL in local time, else None. `nominal` applies an UNTIL in UTC."""
        until, left = self._rule.until, self._rule.count
        if left is None:
            return until if until is not None and until.tzinfo is None else None
        for ordinal, seconds in self._days(self._first_day, self._last_day):
            size = len(seconds) if ordinal > self._first_day else len(self._times_on(ordinal, seconds))
            if size >= left:
                return self._times_on(ordinal, seconds).head(left).last
            left -= size
        return None

    def _times_on(self, ordinal: int, seconds: IntSequence) -> TimeSequence:
        day = TimeSequence(datetime.fromordinal(ordinal) + self._fraction, seconds)
        return day.since(self._start) if ordinal == self._first_day else day

    def _days(self, first: int, last: int) -> Iterator[_Day]:
        """The days from the ordinal `first` to `last`, or a period later, that have times. Ignores COUNT and UNTIL."""
        if not self._times_of_day.exist() or not self._positions_exist():
            return
        for days in self._ranges(first, last):
            selected = self._selected_days(days)
            if self._selects_positions:
                with_times = self._at_positions(selected)
            else:
                with_times = ((day, self._times_of_day.on(day)) for day in selected)
            yield from ((day, seconds) for day, seconds in with_times if day >= first and len(seconds))

    def _ranges(self, first: int, last: int) -> Iterator[range]:
        """Day ranges that cover every period the INTERVAL selects, from that of `first` to that of `last`.

        One range per month or year. A single range if INTERVAL is 1 and BYSETPOS is absent, and for shorter periods,
        which are selected day by day. It starts with a week, so that BYSETPOS sees all days of the first one.
        """
        freq = self._rule.freq
        if freq >= Frequency.WEEKLY or (self._rule.interval == 1 and not self._selects_positions):
            start_of_week = first - (first - self._first_week) % 7
            yield range(start_of_week, min(last + _WEEK, self._last_day) + 1)
            return
        for year, month in self._selected_months(first, last):
            is_yearly = freq is Frequency.YEARLY
            days, matching = self._matching_days.year(year) if is_yearly else self._matching_days.month(year, month)
            if matching * len(self._times_of_day.within_unit) >= self._lowest_position:
                yield days

    def _selected_months(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The months (January is 0), or for YEARLY each January, that INTERVAL selects.

        From the last one that does not begin after the day `first` to the end of the year of the day `last`. Months are
        numbered from the year 0.
        """
        is_yearly, day = self._rule.freq is Frequency.YEARLY, date.fromordinal(first)
        step = self._rule.interval * (12 if is_yearly else 1)
        start = self._start.year * 12 + (0 if is_yearly else self._start.month - 1)
        current = day.year * 12 + day.month - 1
        end = (date.fromordinal(last).year + 1) * 12
        for number in range(start + (current - start) // step * step, end, step):
            yield divmod(number, 12)

    def _selected_days(self, days: range) -> Iterator[int]:
        """The days of the range that match the BY-day parts, and on which INTERVAL selects a week or shorter period."""
        interval = self._rule.interval
        is_weekly = self._rule.freq is Frequency.WEEKLY and interval > 1
        for matching in self._matching_days.within(days):
            if is_weekly:
                yield from [day for day in matching if (day - self._first_week) // 7 % interval == 0]
            else:
                yield from self._times_of_day.days_selected(matching)

    def _at_positions(self, days: Iterator[int]) -> Iterator[_Day]:
        """The days with the times that BYSETPOS selects in each period.

        An index counts the times of all days of the period, `len(times)` on each.
        """
        times = self._times_of_day.within_unit
        is_weekly = self._rule.freq is Frequency.WEEKLY  # a range holds many weeks, but only one month or year
        for _, period in groupby(days, lambda day: is_weekly and (day - self._first_week) // 7):
            days_of_period = list(period)
            size = len(days_of_period) * len(times)
            if size < self._lowest_position:
                continue
            selected = positions(self._rule.by_set_pos, size)
            for day_index, indexes in groupby(selected, lambda index: index // len(times)):
                yield days_of_period[day_index], [times[index % len(times)] for index in indexes]

    def _positions_exist(self) -> bool:
        """Whether a period is ever long enough for one of the positions."""
        if not self._selects_positions:
            return True
        longest = _LONGEST_PERIOD.get(self._rule.freq) or len(self._rule.by_weekday) or 1
        return self._lowest_position <= longest * len(self._times_of_day.within_unit)
