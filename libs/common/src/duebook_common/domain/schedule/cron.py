"""Cron expressions: how they are parsed and which local times they match.

The syntax is Vixie cron's: five fields (minute, hour, day of month, month, day of week) or six with seconds first;
names, lists, ranges, steps and shorthands such as `@daily`. `L` is the last day of a month, `5L` or `FRIL` its last
Friday, `MON#2` its second Monday. If day of month and day of week are both restricted, one of them is enough.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from functools import lru_cache
from itertools import islice

from duebook_common.domain.schedule.cron_hints import expression_hint, token_hint
from duebook_common.domain.schedule.times import LAST_LOCAL, PairSums, TimeSequence

_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_ANY_MIDNIGHT = datetime(2000, 1, 1)  # noqa: DTZ001 - local times have no zone here
_LONGEST_GAP = 40  # years between two matches of the rarest expression: 29 February on a given weekday


class CronError(ValueError):
    """The expression is invalid. The message names the token at fault and what is valid instead."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: dict[str, int]


_SECOND = _Field("second", 0, 59, {})
_MINUTE = _Field("minute", 0, 59, {})
_HOUR = _Field("hour", 0, 23, {})
_DAY = _Field("day of month", 1, 31, {})
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of week", 0, 7, _DAYS)  # Sunday is 0 and 7


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. Weekdays are numbered from Sunday, 0, to Saturday, 6."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]  # those of the day, in seconds after midnight
    days: frozenset[int]
    last_day: bool  # of the month
    months: tuple[int, ...]
    weekdays: frozenset[int]
    nth_weekdays: frozenset[tuple[int, int]]  # (weekday, 1 to 5 for the first to fifth in the month, -1 for the last)
    day_or_weekday: bool  # both are restricted, so one of them is enough
    ignores_dst: bool  # minute or hour begin with `*`: it matches in every real hour, and no DST policy applies

    def days_between(self, start: datetime, end: datetime = LAST_LOCAL) -> Iterator[TimeSequence]:
        """The local times that match, one sequence for each matching day, from the day of `start` (naive) on.

        Ends with the month of `end`.
        """
        seconds_of_day = PairSums(self.minutes, self.seconds)
        for year, month in self._months_from(start.year, start.month):
            if (year, month) > (end.year, end.month):
                return
            for day in self._matching_days(year, month):
                if (year, month, day) >= (start.year, start.month, start.day):
                    yield TimeSequence(_ANY_MIDNIGHT.replace(year, month, day), seconds_of_day)

    def ever_matches(self) -> bool:
        """Whether any day matches at all; 30 February never does."""
        months = islice(self._months_from(_ANY_MIDNIGHT.year, 1), _LONGEST_GAP * len(self.months))
        return any(self._matching_days(year, month) for year, month in months)

    def _months_from(self, year: int, month: int) -> Iterator[tuple[int, int]]:
        yield from ((year, matching) for matching in self.months if matching >= month)
        yield from ((later, matching) for later in range(year + 1, MAXYEAR + 1) for matching in self.months)

    def _matching_days(self, year: int, month: int) -> list[int]:
        first_weekday, length = monthrange(year, month)  # Monday is 0 here
        candidates = range(1, length + 1) if self.day_or_weekday or self.last_day else sorted(self.days)
        return [day for day in candidates if day <= length and self._matches(day, length, (first_weekday + day) % 7)]

    def _matches(self, day: int, month_length: int, weekday: int) -> bool:
        by_day = day in self.days or (self.last_day and day == month_length)
        by_weekday = weekday in self.weekdays or any(
            weekday == nth_weekday and (day + 7 > month_length if n == -1 else (day - 1) // 7 + 1 == n)
            for nth_weekday, n in self.nth_weekdays
        )
        return by_day or by_weekday if self.day_or_weekday else by_day and by_weekday


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Parse an expression. Raises CronError, also for one that never matches."""
    try:
        return _parse(text)
    except CronError as error:
        raise CronError(expression_hint(text) or str(error)) from None


def _parse(text: str) -> Expression:
    second, minute, hour, day, month, weekday = fields(text)
    last_day, days = _without_last_day(day)
    weekdays, nth_weekdays = _weekdays(weekday)
    expression = Expression(
        seconds=tuple(sorted(_values(_SECOND, second))),
        minutes=_minutes_of_day(_values(_HOUR, hour), _values(_MINUTE, minute)),
        days=_values(_DAY, days) if days else frozenset(),
        last_day=last_day,
        months=tuple(sorted(_values(_MONTH, month))),
        weekdays=weekdays,
        nth_weekdays=nth_weekdays,
        day_or_weekday=not day.startswith("*") and not weekday.startswith("*"),
        ignores_dst=minute.startswith("*") or hour.startswith("*"),
    )
    if not expression.ever_matches():
        raise CronError(f"{text!r} never fires: none of its months has such a day")
    return expression


@lru_cache(maxsize=256)
def _minutes_of_day(hours: frozenset[int], minutes: frozenset[int]) -> tuple[int, ...]:
    """In seconds after midnight. Cached, because expressions differ less in these than in their days."""
    return tuple(hour * 3600 + minute * 60 for hour in sorted(hours) for minute in sorted(minutes))


def fields(text: str) -> list[str]:
    """The six fields in upper case, seconds first. Raises CronError if there are not five or six."""
    text = text.strip()
    if text.startswith("@"):
        if text.lower() not in _SHORTHANDS:
            raise CronError(f"{text[:40]!r} is unknown; use one of {', '.join(_SHORTHANDS)}")
        text = _SHORTHANDS[text.lower()]
    if len(text) > 1000:
        raise CronError("an expression has at most 1,000 characters")
    parts = text.upper().split()
    if len(parts) not in {5, 6}:
        raise CronError(
            f"an expression has five fields (minute, hour, day of month, month, day of week), or six with seconds "
            f"first; this one has {len(parts)}"
        )
    return parts if len(parts) == 6 else ["0", *parts]


def _without_last_day(text: str) -> tuple[bool, str]:
    """Whether the day of month lists `L`, and the list without it."""
    items = text.split(",")
    return "L" in items, ",".join(item for item in items if item != "L")


def _weekdays(text: str) -> tuple[frozenset[int], frozenset[tuple[int, int]]]:
    """The plain days of the week, and those that are counted within the month (`MON#2`, `FRIL`)."""
    plain, nth = list[str](), set[tuple[int, int]]()
    for item in text.split(","):
        day, mark, n = item.partition("#")
        if mark:
            if n not in {"1", "2", "3", "4", "5"}:
                raise _wrong(_WEEKDAY, item, "# takes a number from 1 to 5, as in MON#2")
            nth.add((_number(_WEEKDAY, day, item) % 7, int(n)))
        elif len(item) > 1 and item.endswith("L"):
            nth.add((_number(_WEEKDAY, item[:-1], item) % 7, -1))
        else:
            plain.append(item)
    days = _values(_WEEKDAY, ",".join(plain)) if plain else frozenset[int]()
    return frozenset(day % 7 for day in days), frozenset(nth)


def _values(field: _Field, text: str) -> frozenset[int]:
    """The values of a list of numbers, ranges and steps."""
    values = set[int]()
    for item in text.split(","):
        span, slash, step = item.partition("/")
        low, high = _range(field, span, item)
        if slash and not (step.isascii() and step.isdigit() and 1 <= int(step[:6]) <= field.high):
            raise _wrong(field, item, f"a step is a number from 1 to {field.high}, as in */5")
        if slash and "-" not in span and span != "*":
            raise _wrong(field, item, f"a step needs a range before it, as in {span}-{field.high}/{step}")
        values.update(range(low, high + 1, int(step) if slash else 1))
    return frozenset(values)


def _range(field: _Field, span: str, item: str) -> tuple[int, int]:
    """The first and the last value of `*`, of a range or of a single number; `item` is quoted in errors."""
    if span == "*":
        return field.low, 6 if field is _WEEKDAY else field.high
    first, dash, last = span.partition("-")
    low = _number(field, first, item)
    if not dash:
        return low, low
    high = _number(field, last, item)
    if field is _WEEKDAY and high == 0 < low:
        high = 7  # FRI-SUN
    if low == 7 and high < 7:
        raise _wrong(field, item, f"a range ascends; write 0-{last}")
    if low > high:
        raise _wrong(field, item, f"a range ascends; write {first}-{field.high},{field.low}-{last}")
    return low, high


def _number(field: _Field, token: str, item: str) -> int:
    if token in field.names:
        return field.names[token]
    if not re.fullmatch(r"[0-9]{1,4}", token) or not field.low <= int(token) <= field.high:
        names = f" or {', '.join(field.names)}" if field.names else ""
        raise _wrong(field, item, f"it takes numbers from {field.low} to {field.high}{names}, lists, ranges and steps")
    return int(token)


def _wrong(field: _Field, token: str, remedy: str) -> CronError:
    return CronError(f"{token[:40]!r} is wrong for the {field.name}: {token_hint(field.name, token) or remedy}")
