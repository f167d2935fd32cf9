"""Parses recurrence rules (RRULE of RFC 5545). `rrule_set` says which local times a rule generates.

Parsing is strict: combinations of parts that the RFC does not define are refused, because libraries disagree on them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache


class RruleError(ValueError):
    """The rule is invalid. The message names the part and the token at fault and what is valid instead."""


class Frequency(IntEnum):
    """The length of a rule's periods (FREQ), the longest first."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A parsed rule, each field named after its part. A part that is absent is an empty set. Monday is weekday 0."""

    freq: Frequency
    interval: int
    count: int | None
    until: datetime | None  # an instant (UTC), or a local time (naive)
    by_month: frozenset[int]
    by_month_day: frozenset[int]
    by_year_day: frozenset[int]
    by_week_no: frozenset[int]
    by_weekday: frozenset[int]  # BYDAY without a number
    by_nth_weekday: frozenset[tuple[int, int]]  # BYDAY with one: (weekday, n), negative n from the end
    by_hour: frozenset[int]
    by_minute: frozenset[int]
    by_second: frozenset[int]
    by_set_pos: frozenset[int]
    week_start: int

    @property
    def ignores_dst(self) -> bool:
        """Whether the rule repeats every so many hours or minutes instead of at certain hours and minutes.

        It then counts real hours or minutes, and no DST policy applies.
        """
        any_hour = self.freq >= Frequency.HOURLY and not self.by_hour
        any_minute = self.freq is Frequency.MINUTELY and not self.by_minute
        return any_hour or any_minute


WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NUMBERS_FROM_EITHER_END = {"BYMONTHDAY": 31, "BYYEARDAY": 366, "BYWEEKNO": 53, "BYSETPOS": 366}
_NUMBERS = {"BYMONTH": (1, 12), "BYHOUR": (0, 23), "BYMINUTE": (0, 59), "BYSECOND": (0, 59)}
_SINGLE_NUMBERS = {"INTERVAL": (1, 10_000), "COUNT": (1, 1_000)}
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", *_NUMBERS, *_NUMBERS_FROM_EITHER_END, "BYDAY", "WKST")
_UNTIL = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")
_BYDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_EXAMPLE = "FREQ=MONTHLY;BYDAY=-1FR"
_MAX_LENGTH = 2_000
_UNSUPPORTED = {
    "DTSTART": "a rule begins at the job's scheduled_at, in local time of its timezone; leave DTSTART out",
    "EXDATE": "dates cannot be taken out of a rule; leave EXDATE out",
    "RDATE": "dates cannot be added to a rule; leave RDATE out, or create a job for each",
    "EXRULE": "a rule cannot be taken out of another; leave EXRULE out",
}


@lru_cache(maxsize=4096)
def parse(text: str) -> Rule:
    """Parse a rule, with or without the prefix `RRULE:`. Raises RruleError."""
    parts = _parts(text)
    days = [_byday(token) for token in _tokens(parts, "BYDAY")]
    rule = Rule(
        freq=_freq(parts),
        interval=_single_number(parts, "INTERVAL") or 1,
        count=_single_number(parts, "COUNT"),
        until=_until(parts),
        by_month=_numbers(parts, "BYMONTH"),
        by_month_day=_numbers(parts, "BYMONTHDAY"),
        by_year_day=_numbers(parts, "BYYEARDAY"),
        by_week_no=_numbers(parts, "BYWEEKNO"),
        by_weekday=frozenset(weekday for weekday, n in days if n is None),
        by_nth_weekday=frozenset((weekday, n) for weekday, n in days if n is not None),
        by_hour=_numbers(parts, "BYHOUR"),
        by_minute=_numbers(parts, "BYMINUTE"),
        by_second=_numbers(parts, "BYSECOND"),
        by_set_pos=_numbers(parts, "BYSETPOS"),
        week_start=_week_start(parts),
    )
    _check_combination(rule, parts)
    return rule


def _parts(text: str) -> dict[str, str]:
    """The parts by name, in upper case."""
    text = text.strip().upper()
    if len(text) > _MAX_LENGTH:
        raise RruleError(f"a rule has at most {_MAX_LENGTH:,} characters")
    for name, remedy in _UNSUPPORTED.items():
        if re.search(rf"(^|[\s;:]){name}\b", text):
            raise RruleError(f"{name}: {remedy}")
    if len(words := text.split()) > 1:
        raise RruleError(f'"{words[1][:40]}": write one rule on one line without spaces, as in {_EXAMPLE}')
    parts = dict[str, str]()
    for part in text.removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise RruleError(f'"{part[:40]}": a rule consists of NAME=VALUE parts separated by ;, as in {_EXAMPLE}')
        if name not in _PARTS:
            raise RruleError(f'"{name[:40]}" is not a part of a rule; use {", ".join(_PARTS)}')
        if name in parts:
            raise RruleError(f"{name} appears twice; write it once, with commas between its values")
        parts[name] = value
    return parts


def _freq(parts: dict[str, str]) -> Frequency:
    names = ", ".join(reversed(Frequency.__members__))
    if "FREQ" not in parts:
        raise RruleError(f"FREQ is missing; a rule has one of FREQ={names}")
    if parts["FREQ"] == "SECONDLY":
        raise RruleError(
            'FREQ: "SECONDLY" is too frequent for a rule; use {"every": "PT10S"}, or cron with seconds, '
            'as in {"cron": "*/10 * * * * *"}'
        )
    if parts["FREQ"] not in Frequency.__members__:
        raise RruleError(f'FREQ: "{parts["FREQ"][:40]}" is not one of {names}')
    return Frequency[parts["FREQ"]]


def _single_number(parts: dict[str, str], name: str) -> int | None:
    if name not in parts:
        return None
    (low, high), token = _SINGLE_NUMBERS[name], parts[name]
    if not re.fullmatch(r"[0-9]{1,9}", token) or not low <= int(token) <= high:
        alternative = "; for more use UNTIL" if name == "COUNT" else ""
        raise RruleError(f'{name}: "{token[:40]}" is not a number from {low} to {high:,}{alternative}')
    return int(token)


def _tokens(parts: dict[str, str], name: str) -> list[str]:
    return parts[name].split(",") if name in parts else []


def _numbers(parts: dict[str, str], name: str) -> frozenset[int]:
    return frozenset(_number(name, token) for token in _tokens(parts, name))


def _number(name: str, token: str) -> int:
    from_either_end = name in _NUMBERS_FROM_EITHER_END
    low, high = (1, _NUMBERS_FROM_EITHER_END[name]) if from_either_end else _NUMBERS[name]
    sign = "[+-]?" if from_either_end else ""
    if not re.fullmatch(rf"{sign}[0-9]{{1,3}}", token) or not low <= abs(int(token)) <= high:
        from_the_end = f", or -1 to -{high} from the end" if from_either_end else ""
        raise RruleError(f'{name}: "{token[:40]}" is not a number from {low} to {high}{from_the_end}')
    return int(token)


def _byday(token: str) -> tuple[int, int | None]:
    """The weekday, and its number where it has one: `-1FR` is (4, -1)."""
    match = _BYDAY.fullmatch(token)
    if match is None:
        raise RruleError(
            f'BYDAY: "{token[:40]}" is not a weekday; use {", ".join(WEEKDAYS)}, with an optional number as in -1FR'
        )
    n = int(match[1]) if match[1] else None
    if n is not None and not 1 <= abs(n) <= 53:
        raise RruleError(f'BYDAY: "{token}" has a wrong number; use 1 to 53, or -1 to -53 from the end')
    return WEEKDAYS.index(match[2]), n


def _week_start(parts: dict[str, str]) -> int:
    token = parts.get("WKST", "MO")
    if token not in WEEKDAYS:
        raise RruleError(f'WKST: "{token[:40]}" is not a weekday; use one of {", ".join(WEEKDAYS)}')
    return WEEKDAYS.index(token)


def _until(parts: dict[str, str]) -> datetime | None:
    """The last time that the rule may generate; for a date, the end of that day."""
    if (token := parts.get("UNTIL")) is None:
        return None
    try:
        if not _UNTIL.fullmatch(token):
            raise ValueError
        time = datetime.fromisoformat(token.removesuffix("Z"))
    except ValueError:
        raise RruleError(
            f'UNTIL: "{token[:40]}" is not a time; write a date (20271231), a local time of the timezone '
            f"(20271231T100000) or a time in UTC (20271231T090000Z)"
        ) from None
    if len(token) == len("20271231"):
        return time + timedelta(days=1, microseconds=-1)
    return time.replace(tzinfo=UTC) if token.endswith("Z") else time


def _check_combination(rule: Rule, parts: dict[str, str]) -> None:
    """Raise RruleError for parts that RFC 5545 does not allow together."""
    freq, given = rule.freq, parts.keys()
    if {"COUNT", "UNTIL"} <= given:
        raise RruleError("COUNT and UNTIL exclude each other; use one of them")
    if "BYWEEKNO" in given and freq is not Frequency.YEARLY:
        raise RruleError(f"BYWEEKNO counts the weeks of a year; use it with FREQ=YEARLY, not {freq.name}")
    if "BYYEARDAY" in given and freq in {Frequency.MONTHLY, Frequency.WEEKLY, Frequency.DAILY}:
        raise RruleError(f"BYYEARDAY counts the days of a year; use it with FREQ=YEARLY, not {freq.name}")
    if "BYMONTHDAY" in given and freq is Frequency.WEEKLY:
        raise RruleError("BYMONTHDAY does not go with FREQ=WEEKLY; use it with MONTHLY or DAILY")
    if "BYSETPOS" in given and not any(name.startswith("BY") for name in given - {"BYSETPOS"}):
        raise RruleError("BYSETPOS selects among the times that other BY parts give; add one, such as BYDAY")
    if rule.by_nth_weekday:
        _check_numbered_weekdays(rule, parts["BYDAY"])


def _check_numbered_weekdays(rule: Rule, byday: str) -> None:
    if rule.freq > Frequency.MONTHLY:
        raise RruleError(f'BYDAY: "{byday[:40]}" counts the weekdays of a month or year; use it with FREQ=MONTHLY')
    if rule.by_week_no:
        raise RruleError(f'BYDAY: "{byday[:40]}" counts weekdays, BYWEEKNO weeks; leave out the number or BYWEEKNO')
    within_month = rule.freq is Frequency.MONTHLY or rule.by_month
    if within_month and any(abs(n) > 5 for _, n in rule.by_nth_weekday):
        raise RruleError(
            f'BYDAY: "{byday[:40]}" has a wrong number; within a month use 1 to 5, or -1 to -5 from the end'
        )
