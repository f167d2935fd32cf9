"""Describes a recurrence rule in English."""

from calendar import day_name, month_name
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import product

from duebook_api.schedules.phrases import clock, listed, ordinal
from duebook_common.domain.schedule import rrule
from duebook_common.domain.schedule.rrule import Frequency, Rule

_PERIODS = {
    Frequency.YEARLY: "year",
    Frequency.MONTHLY: "month",
    Frequency.WEEKLY: "week",
    Frequency.DAILY: "day",
    Frequency.HOURLY: "hour",
    Frequency.MINUTELY: "minute",
}
_MAX_LISTED_TIMES = 8


def rule_text(text: str, start: datetime, zone: str) -> str:
    """The rule in English, such as "Every month on the last Friday at 10:00 in Europe/Berlin".

    `start` is `scheduled_at` in local time: it supplies what the rule does not say.
    """
    rule = rrule.parse(text)
    period = _PERIODS[rule.freq]
    every = f"Every {period}" if rule.interval == 1 else f"Every {rule.interval} {period}s"
    phrases = [every, *_days(rule, start), _times(rule, start), f"in {zone}"]
    return " ".join(filter(None, phrases)) + "".join(_bounds(rule, period))


def _days(rule: Rule, start: datetime) -> Iterator[str]:
    if rule.by_week_no:
        if not (rule.by_year_day or rule.by_month_day or rule.by_weekday or rule.by_nth_weekday):
            yield "on every day"
        yield f"in the {listed(map(ordinal, _in_order(rule.by_week_no)))} week of the year"
    if not (rule.by_week_no or rule.by_year_day or rule.by_month_day or rule.by_weekday or rule.by_nth_weekday):
        yield from _day_of_start(rule, start)
        return
    weekdays = list(_weekdays(rule))
    if weekdays:
        yield f"on {listed(weekdays)}" + (" of the year" if _counts_in_year(rule) else "")
    if rule.by_month_day:
        yield _day_numbers(rule.by_month_day, "month", further=bool(weekdays))
    if rule.by_year_day:
        yield _day_numbers(rule.by_year_day, "year", further=bool(weekdays or rule.by_month_day))
    yield from _months(rule)


def _day_numbers(numbers: Iterable[int], period: str, *, further: bool) -> str:
    """Which days of the period; `further` if that is a further condition, which the day must meet too."""
    words = [ordinal(n) for n in _in_order(numbers)]
    return f"{'if that is' if further else 'on'} the {listed(words, 'or' if further else 'and')} day of the {period}"


def _weekdays(rule: Rule) -> Iterator[str]:
    for weekday in sorted(rule.by_weekday):
        yield day_name[weekday]
    for weekday, n in sorted(rule.by_nth_weekday, key=lambda numbered: (numbered[1], numbered[0])):
        yield f"the {ordinal(n)} {day_name[weekday]}"


def _day_of_start(rule: Rule, start: datetime) -> Iterator[str]:
    if rule.freq is Frequency.YEARLY and not rule.by_month:
        yield f"on {start.day} {month_name[start.month]}"
        return
    if rule.freq <= Frequency.MONTHLY:
        yield f"on the {ordinal(start.day)} day of the month"
    if rule.freq is Frequency.WEEKLY:
        yield f"on {day_name[start.weekday()]}"
    yield from _months(rule)


def _months(rule: Rule) -> Iterator[str]:
    if rule.by_month:
        yield f"in {listed(month_name[month] for month in sorted(rule.by_month))}"


def _counts_in_year(rule: Rule) -> bool:
    """Whether numbered weekdays are counted within the year: 20MO is the 20th Monday of the year."""
    return bool(rule.by_nth_weekday) and rule.freq is Frequency.YEARLY and not rule.by_month


def _times(rule: Rule, start: datetime) -> str:
    hours, minutes = sorted(rule.by_hour or {start.hour}), sorted(rule.by_minute or {start.minute})
    seconds = sorted(rule.by_second or {start.second})
    if rule.freq <= Frequency.DAILY and len(hours) * len(minutes) * len(seconds) <= _MAX_LISTED_TIMES:
        return f"at {listed(clock(*time) for time in product(hours, minutes, seconds))}"
    units = {
        "second": seconds if seconds != [0] else [],
        "minute": minutes if rule.freq < Frequency.MINUTELY or rule.by_minute else [],
        "hour": hours if rule.freq <= Frequency.DAILY or rule.by_hour else [],
    }
    phrases = [f"{unit} {listed(map(str, numbers))}" for unit, numbers in units.items() if numbers]
    return f"at {' of '.join(phrases)}" if phrases else ""


def _bounds(rule: Rule, period: str) -> Iterator[str]:
    counts_weeks = rule.freq is Frequency.WEEKLY and (rule.interval > 1 or bool(rule.by_set_pos))
    if rule.week_start and (counts_weeks or rule.by_week_no):
        yield f", where weeks begin on {day_name[rule.week_start]}"
    if rule.by_set_pos:
        yield f", but only the {listed(map(ordinal, _in_order(rule.by_set_pos)))} of these times in the {period}"
    if rule.count is not None:
        yield f", {rule.count} times in all" if rule.count > 1 else ", once"
    if rule.until is not None:
        until = rule.until.isoformat(sep=" ", timespec="seconds").removesuffix(" 23:59:59")
        yield f", until {until}"


def _in_order(numbers: Iterable[int]) -> list[int]:
    """The positive numbers, then the negative ones, which count from the end; each ascending."""
    return sorted(numbers, key=lambda n: (n < 0, n))
