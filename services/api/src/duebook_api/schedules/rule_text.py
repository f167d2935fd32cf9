"""A recurrence rule in words."""

from calendar import day_name, month_name
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import product

from duebook_common.domain.schedule import rrule
from duebook_common.domain.schedule.rrule import Freq, Rule

_PERIODS = {
    Freq.YEARLY: "year",
    Freq.MONTHLY: "month",
    Freq.WEEKLY: "week",
    Freq.DAILY: "day",
    Freq.HOURLY: "hour",
    Freq.MINUTELY: "minute",
}
_MOST_TIMES = 8


def in_words(text: str, first: datetime, zone: str) -> str:
    """What the rule says, where it begins at `first` by the zone's clock."""
    rule = rrule.parse(text)
    period = _PERIODS[rule.freq]
    said = [f"Every {period}" if rule.interval == 1 else f"Every {rule.interval} {period}s", *_days(rule, first)]
    said += [_times(rule, first), f"in {zone}"]
    return " ".join(filter(None, said)) + "".join(_bounds(rule, period))


def _days(rule: Rule, first: datetime) -> Iterator[str]:
    if rule.weeks:
        yield f"in the {_each(map(_counted, _in_order(rule.weeks)))} week of the year"
    if not (rule.weeks or rule.year_days or rule.month_days or rule.weekdays or rule.nth):
        yield from _day_of_start(rule, first)
        return
    days = [day_name[day] for day in sorted(rule.weekdays)]
    days += [f"the {_counted(which)} {day_name[day]}" for day, which in sorted(rule.nth, key=lambda n: (n[1], n[0]))]
    if days:
        yield f"on {_each(days)}" + (" of the year" if _counts_in_year(rule) else "")
    if rule.month_days:
        joint = "if that is" if days else "on"
        yield f"{joint} the {_each(map(_counted, _in_order(rule.month_days)))} day of the month"
    if rule.year_days:
        yield f"on the {_each(map(_counted, _in_order(rule.year_days)))} day of the year"
    yield from _months(rule)


def _day_of_start(rule: Rule, first: datetime) -> Iterator[str]:
    if rule.freq is Freq.YEARLY and not rule.months:
        yield f"on {first.day} {month_name[first.month]}"
        return
    if rule.freq <= Freq.MONTHLY:
        yield f"on the {_counted(first.day)} day of the month"
    if rule.freq is Freq.WEEKLY:
        yield f"on {day_name[first.weekday()]}"
    yield from _months(rule)


def _months(rule: Rule) -> Iterator[str]:
    if rule.months:
        yield f"in {_each(month_name[month] for month in sorted(rule.months))}"


def _counts_in_year(rule: Rule) -> bool:
    return bool(rule.nth) and rule.freq is Freq.YEARLY and not rule.months


def _times(rule: Rule, first: datetime) -> str:
    hours, minutes = sorted(rule.hours or {first.hour}), sorted(rule.minutes or {first.minute})
    seconds = sorted(rule.seconds or {first.second})
    if rule.freq <= Freq.DAILY and len(hours) * len(minutes) * len(seconds) <= _MOST_TIMES:
        return f"at {_each(_clock(*time) for time in product(hours, minutes, seconds))}"
    parts = {
        "second": seconds if seconds != [0] else [],
        "minute": minutes if rule.freq < Freq.MINUTELY or rule.minutes else [],
        "hour": hours if rule.freq <= Freq.DAILY or rule.hours else [],
    }
    told = [f"{name} {_each(map(str, numbers))}" for name, numbers in parts.items() if numbers]
    return f"at {' of '.join(told)}" if told else ""


def _clock(hour: int, minute: int, second: int) -> str:
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def _bounds(rule: Rule, period: str) -> Iterator[str]:
    if rule.positions:
        yield f", but only the {_each(map(_counted, _in_order(rule.positions)))} of these times in the {period}"
    if rule.count is not None:
        yield f", {rule.count} times in all" if rule.count > 1 else ", once"
    if rule.until is not None:
        until = rule.until.isoformat(sep=" ", timespec="seconds").removesuffix(" 23:59:59")
        yield f", until {until}"


def _in_order(numbers: Iterable[int]) -> list[int]:
    """From the start upwards, then those that are counted from the end."""
    return sorted(numbers, key=lambda n: (n < 0, n))


def _counted(n: int) -> str:
    if n == -1:
        return "last"
    ending = "th" if 10 <= abs(n) % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(abs(n) % 10, "th")
    return f"{abs(n)}{ending}" if n > 0 else f"{abs(n)}{ending} last"


def _each(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
