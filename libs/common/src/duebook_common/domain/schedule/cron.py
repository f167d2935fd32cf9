"""Cron expressions: which wall-clock times they name.

Five fields (minute, hour, day of month, month, day of week) or six with seconds first, as Vixie cron reads them:
names, lists, ranges and steps, `L` for the last day or the last weekday of a month, `MON#2` for its second one, and
`@daily` with its kin. Days of the month and of the week that are both restricted mean either.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from functools import lru_cache
from itertools import islice

from duebook_common.domain.schedule.times import Sums, Times

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
_AT = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall clock belongs to no zone here
_MOST_YEARS = 40  # the rarest that exists, 29 February on a given weekday, comes within forty years


class CronError(ValueError):
    """The expression means nothing; the message names the token at fault and what would be right."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: dict[str, int]


_SECOND = _Field("second", 0, 59, {})
_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of month", 1, 31, {}),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. `nth` holds (weekday, which) with which from 1 to 5, or -1 for the last; Sunday is 0."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]  # of the day, told in seconds after midnight
    days: frozenset[int]
    last_day: bool
    months: tuple[int, ...]
    weekdays: frozenset[int]
    nth: frozenset[tuple[int, int]]
    either: bool  # days of month and of week are both restricted
    follows_clock: bool  # minute or hour begin with `*`: every real hour counts, whatever the clocks show

    def named_days(self, start: datetime) -> Iterator[Times]:
        """The days from that of `start` (naive) to the calendar's end that it names, each with its wall-clock times."""
        seconds = Sums(self.minutes, self.seconds)
        for year, month in self._months(start.year, start.month):
            for day in self._days_of(year, month):
                if (year, month, day) >= (start.year, start.month, start.day):
                    yield Times(_AT.replace(year, month, day), seconds)

    def fires(self) -> bool:
        """Whether any such day ever comes."""
        months = islice(self._months(_AT.year, 1), _MOST_YEARS * len(self.months))
        return any(self._days_of(year, month) for year, month in months)

    def _months(self, year: int, month: int) -> Iterator[tuple[int, int]]:
        yield from ((year, named) for named in self.months if named >= month)
        yield from ((later, named) for later in range(year + 1, MAXYEAR + 1) for named in self.months)

    def _days_of(self, year: int, month: int) -> list[int]:
        first, length = monthrange(year, month)
        asked = range(1, length + 1) if self.either or self.last_day else sorted(self.days)
        return [day for day in asked if day <= length and self._names_day(day, length, (first + day) % 7)]

    def _names_day(self, day: int, length: int, weekday: int) -> bool:
        by_month = day in self.days or (self.last_day and day == length)
        by_week = weekday in self.weekdays or any(
            weekday == wanted and (day + 7 > length if which == -1 else (day - 1) // 7 + 1 == which)
            for wanted, which in self.nth
        )
        return by_month or by_week if self.either else by_month and by_week


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Read an expression; raises CronError."""
    second, minute, hour, day, month, weekday = fields(text)
    last_day, days = _without_last(day)
    weekdays, nth = _weekdays(weekday)
    expression = Expression(
        seconds=tuple(sorted(_values(_SECOND, second))),
        minutes=_minutes(_values(_FIELDS[1], hour), _values(_FIELDS[0], minute)),
        days=_values(_FIELDS[2], days) if days else frozenset(),
        last_day=last_day,
        months=tuple(sorted(_values(_FIELDS[3], month))),
        weekdays=weekdays,
        nth=nth,
        either=not day.startswith("*") and not weekday.startswith("*"),
        follows_clock=minute.startswith("*") or hour.startswith("*"),
    )
    if not expression.fires():
        raise CronError(f"{text!r} never fires: no such day ever comes in the months that it names")
    return expression


@lru_cache(maxsize=256)
def _minutes(hours: frozenset[int], minutes: frozenset[int]) -> tuple[int, ...]:
    return tuple(hour * 3600 + minute * 60 for hour in sorted(hours) for minute in sorted(minutes))


def fields(text: str) -> list[str]:
    """The six fields, in capitals, seconds first; raises CronError where they are not five or six."""
    text = text.strip()
    if text.startswith("@"):
        if text.lower() not in _SHORTHANDS:
            raise CronError(f"{text[:40]!r} is unknown; there are {', '.join(_SHORTHANDS)}")
        text = _SHORTHANDS[text.lower()]
    parts = text.upper().split()
    if len(text) > 1000:
        raise CronError("an expression has 1,000 characters at most")
    if len(parts) not in {5, 6}:
        raise CronError(
            f"five fields are needed (minute, hour, day of month, month, day of week), or six with seconds first; "
            f"here are {len(parts)}"
        )
    return parts if len(parts) == 6 else ["0", *parts]


def _without_last(text: str) -> tuple[bool, str]:
    items = text.split(",")
    return "L" in items, ",".join(item for item in items if item != "L")


def _weekdays(text: str) -> tuple[frozenset[int], frozenset[tuple[int, int]]]:
    """Plain days of the week, and those that are counted within the month: `MON#2`, `FRIL`."""
    plain, nth = list[str](), set[tuple[int, int]]()
    for item in text.split(","):
        day, mark, which = item.partition("#")
        if mark:
            if which not in {"1", "2", "3", "4", "5"}:
                raise _wrong(_FIELDS[4], item, "after # stands 1 to 5, as in MON#2")
            nth.add((_number(_FIELDS[4], day, item) % 7, int(which)))
        elif len(item) > 1 and item.endswith("L"):
            nth.add((_number(_FIELDS[4], item[:-1], item) % 7, -1))
        else:
            plain.append(item)
    days = _values(_FIELDS[4], ",".join(plain)) if plain else frozenset[int]()
    return frozenset(day % 7 for day in days), frozenset(nth)


def _values(field: _Field, text: str) -> frozenset[int]:
    values = set[int]()
    for item in text.split(","):
        span, slash, step = item.partition("/")
        low, high = _span(field, span, item)
        if slash and not (step.isascii() and step.isdigit() and 1 <= int(step[:6]) <= field.high):
            raise _wrong(field, item, f"a step is a number from 1 to {field.high}, as in */5")
        if slash and low == high and span != "*":
            raise _wrong(field, item, f"a step needs a range before it, as in {span}-{field.high}/{step}")
        values.update(range(low, high + 1, int(step) if slash else 1))
    return frozenset(values)


def _span(field: _Field, span: str, item: str) -> tuple[int, int]:
    if span == "*":
        return field.low, 6 if field.high == 7 else field.high
    first, dash, last = span.partition("-")
    low = _number(field, first, item)
    if not dash:
        return low, low
    high = _number(field, last, item)
    if field.high == 7 and high == 0 < low:
        high = 7  # FRI-SUN
    if low > high:
        raise _wrong(field, item, f"a range runs upwards; write {first}-{field.high},{field.low}-{last}")
    return low, high


def _number(field: _Field, token: str, item: str) -> int:
    if token in field.names:
        return field.names[token]
    if not re.fullmatch(r"[0-9]{1,4}", token) or not field.low <= int(token) <= field.high:
        names = f" or {', '.join(field.names)}" if field.names else ""
        raise _wrong(field, item, f"it takes numbers from {field.low} to {field.high}{names}, lists, ranges and steps")
    return int(token)


def _wrong(field: _Field, token: str, remedy: str) -> CronError:
    return CronError(f"{token[:40]!r} is wrong for the {field.name}: {remedy}")
