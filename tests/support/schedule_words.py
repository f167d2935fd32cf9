"""Reads the English descriptions of cron expressions back: which local times would a reader expect?"""

import re
from calendar import day_name, month_name, monthrange
from collections.abc import Callable
from datetime import datetime

TimeTest = Callable[[datetime], bool]

_DAY_NAMES, _MONTH_NAMES = list(day_name), list(month_name)
_SENTENCE = re.compile(
    r"(?P<times>(?:At|Every) (?:(?! on | in | every day).)+)"
    r"(?: every day| on (?P<days>(?:(?! in (?:J|F|M|A|S|O|N|D)).)+))?(?: in (?P<months>[A-Z].+))?"
)


def read(description: str) -> TimeTest:
    """A test of whether the description names a local time."""
    match = _SENTENCE.fullmatch(description)
    assert match is not None, description
    times, days = _times(match["times"]), _days(match["days"])
    months = _numbers(match["months"], _MONTH_NAMES.index) if match["months"] else set(range(1, 13))
    return lambda time: time.month in months and days(time) and times(time)


def _times(text: str) -> TimeTest:
    if ":" in text:
        clocks = set(_items(text.removeprefix("At ")))
        return lambda time: f"{time:%H:%M}" + (f":{time:%S}" if time.second else "") in clocks
    finest, *longer = text.split(" of ")
    tests = [_finest(finest), *(_unit(each) for each in longer)]
    named = " ".join([finest, *longer])
    if "second" not in named:
        tests.append(lambda time: time.second == 0)
    return lambda time: all(test(time) for test in tests)


def _finest(text: str) -> TimeTest:
    if match := re.fullmatch(r"Every (\d+) (second|minute|hour)s", text):
        step, unit = int(match[1]), match[2]
        return lambda time: getattr(time, unit) % step == 0
    return _unit(text.removeprefix("At ").replace("Every", "every"))


def _unit(text: str) -> TimeTest:
    if text in {"every second", "every minute", "every hour"}:
        return lambda _: True
    if match := re.fullmatch(r"every (\d+)(?:st|nd|rd|th) (minute|hour) \(from 0\)", text):
        step, name = int(match[1]), match[2]
        return lambda time: getattr(time, name) % step == 0
    unit, _, numbers = text.partition(" ")
    values = _numbers(numbers, int)
    return lambda time: getattr(time, unit) in values


def _days(text: str | None) -> TimeTest:
    if text is None:
        return lambda _: True
    if " or on " in text:
        by_month, by_week = text.split(" or on ")
        first, second = _month_days(by_month), _weekdays(by_week)
        return lambda time: first(time) or second(time)
    if " if that is " in text:
        by_week, by_month = text.split(" if that is ")
        first, second = _month_days(by_month.replace(" or ", " and ")), _weekdays(by_week)
        return lambda time: first(time) and second(time)
    return _month_days(text) if text.endswith(" day of the month") else _weekdays(text)


def _month_days(text: str) -> TimeTest:
    items = _items(text.removeprefix("the ").removesuffix(" day of the month"))
    days = _numbers(" and ".join(item for item in items if item != "last"), _ordinal)
    return lambda time: time.day in days or ("last" in items and time.day == monthrange(time.year, time.month)[1])


def _weekdays(text: str) -> TimeTest:
    items = _items(text)
    plain = _numbers(" and ".join(item for item in items if not item.startswith("the ")), _DAY_NAMES.index)
    numbered = [item.removeprefix("the ").split()[:2] for item in items if item.startswith("the ")]
    return lambda time: time.weekday() in plain or any(_is_nth(time, n, _DAY_NAMES.index(day)) for n, day in numbered)


def _is_nth(time: datetime, n: str, weekday: int) -> bool:
    is_last = time.day + 7 > monthrange(time.year, time.month)[1]
    return time.weekday() == weekday and (is_last if n == "last" else (time.day - 1) // 7 + 1 == _ordinal(n))


def _ordinal(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def _items(text: str) -> list[str]:
    return re.split(r", | and ", text) if text else []


def _numbers(text: str, number: Callable[[str], int]) -> set[int]:
    found = set[int]()
    for item in _items(text):
        first, _, last = item.partition(" through ")
        found.update(range(number(first), number(last or first) + 1))
    return found
