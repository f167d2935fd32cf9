"""Reads the English descriptions of schedules back: which local times would a reader expect?"""

import re
from calendar import day_name, isleap, month_name, monthrange
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


_RULE = re.compile(
    r"Every (?P<period>year|month|week|day|hour|minute)(?P<every_day> on every day)?"
    r"(?: in the (?P<weeks>.+?) week of the year)?"
    r"(?: on (?P<date>\d+ [A-Z][a-z]+)(?= at ))?"
    r"(?: on (?P<weekdays>(?:the \d+(?:st|nd|rd|th)(?: last)? |the last )?[A-Z](?:(?! if that| at | in ).)*))?"
    r"(?: (?:on|if that is) the (?P<month_days>[^A-Z]+?) day of the month)?"
    r"(?: (?:on|if that is) the (?P<year_days>[^A-Z]+?) day of the year)?"
    r"(?: in (?P<months>[A-Z](?:(?! at | in ).)*))?"
    r"(?: at (?P<times>.+?))? in UTC"
)


def read_rule(description: str) -> TimeTest:
    """A test of whether the description of a rule names a local time; without INTERVAL and bounds, in UTC."""
    match = _RULE.fullmatch(description)
    assert match is not None, description
    tests = [_rule_times(match["times"])]
    if match["months"]:
        months = _numbers(match["months"], _MONTH_NAMES.index)
        tests.append(lambda time: time.month in months)
    if match["date"]:
        tests.append(lambda time: f"{time.day} {time:%B}" == match["date"])
    tests += [_from_either_end(match[name], of) for name, of in _COUNTED.items() if match[name]]
    if match["weekdays"]:
        tests.append(_rule_weekdays(match["weekdays"]))
    return lambda time: all(test(time) for test in tests)


def _week(time: datetime) -> tuple[int, int]:
    """The week's number by ISO 8601, and that of the last week of its year: 28 December is always in it."""
    year, week, _ = time.isocalendar()
    return week, datetime(year, 12, 28).isocalendar().week  # noqa: DTZ001


_COUNTED: dict[str, Callable[[datetime], tuple[int, int]]] = {
    "weeks": _week,
    "month_days": lambda time: (time.day, monthrange(time.year, time.month)[1]),
    "year_days": lambda time: (time.timetuple().tm_yday, 365 + isleap(time.year)),
}


def _from_either_end(text: str, of: Callable[[datetime], tuple[int, int]]) -> TimeTest:
    items = re.split(r", | and | or ", text)
    return lambda time: any(_counted(item) in {of(time)[0], of(time)[0] - of(time)[1] - 1} for item in items)


def _counted(text: str) -> int:
    return -1 if text == "last" else _ordinal(text) * (-1 if text.endswith("last") else 1)


def _rule_weekdays(text: str) -> TimeTest:
    in_year = text.endswith(" of the year")
    items = _items(text.removesuffix(" of the year"))
    plain = {_DAY_NAMES.index(item) for item in items if " " not in item}
    numbered = [item.removeprefix("the ").rpartition(" ") for item in items if " " in item]

    def test(time: datetime) -> bool:
        day, last = _COUNTED["year_days" if in_year else "month_days"](time)
        counts = {(day + 6) // 7, -((last - day) // 7) - 1}
        return time.weekday() in plain or any(
            _counted(n) in counts and time.weekday() == _DAY_NAMES.index(name) for n, _, name in numbered
        )

    return test


def _rule_times(text: str | None) -> TimeTest:
    if text is None:
        return lambda time: time.second == 0
    if ":" in text:
        return _times(f"At {text}")
    units = [_unit(each) for each in text.split(" of ")]
    return lambda time: all(test(time) for test in units) and ("second" in text or time.second == 0)
