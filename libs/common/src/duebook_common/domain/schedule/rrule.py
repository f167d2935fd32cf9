"""Recurrence rules (RRULE of RFC 5545): what their parts say. Which times they name is `rrule_days`' business.

Rules are read strictly: parts that the RFC does not allow together are refused, for libraries disagree on them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache


class RruleError(ValueError):
    """The rule means nothing; the message names the part and the token at fault and what would be right."""


class Freq(IntEnum):
    """How long a rule's periods are, the longest first."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A parsed rule; an empty collection stands for a part that is left out. Monday is 0."""

    freq: Freq
    interval: int
    count: int | None
    until: datetime | None  # an instant (UTC), or what the wall clock shows (naive)
    months: frozenset[int]
    month_days: frozenset[int]
    year_days: frozenset[int]
    weeks: frozenset[int]
    weekdays: frozenset[int]
    nth: frozenset[tuple[int, int]]  # (weekday, which of the month or year), counted from its end if negative
    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int]
    positions: frozenset[int]
    week_start: int

    @property
    def follows_clock(self) -> bool:
        """Whether it names every so-many-eth hour or minute: real ones count then, whatever the clocks show."""
        every_minute = self.freq is Freq.MINUTELY and not self.minutes
        return every_minute or (self.freq >= Freq.HOURLY and not self.hours)


WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SIGNED = {"BYMONTHDAY": 31, "BYYEARDAY": 366, "BYWEEKNO": 53, "BYSETPOS": 366}
_PLAIN = {"BYMONTH": (1, 12), "BYHOUR": (0, 23), "BYMINUTE": (0, 59), "BYSECOND": (0, 59)}
_SINGLE = {"INTERVAL": (1, 10_000), "COUNT": (1, 1_000)}
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", *_PLAIN, *_SIGNED, "BYDAY", "WKST")
_DATE = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")
_DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_EXAMPLE = "FREQ=MONTHLY;BYDAY=-1FR"
_LONGEST = 2_000
_ELSEWHERE = {
    "DTSTART": "a rule begins at the job's scheduled_at, by the clock of its timezone; leave DTSTART out",
    "EXDATE": "dates cannot be taken out of a rule; leave EXDATE out",
    "RDATE": "dates cannot be added to a rule; leave RDATE out, or make a job for each",
    "EXRULE": "a rule cannot be taken out of another; leave EXRULE out",
}


@lru_cache(maxsize=4096)
def parse(text: str) -> Rule:
    """Read a rule, with or without `RRULE:` before it; raises RruleError."""
    parts = _parts(text)
    days = [_day(token) for token in _tokens(parts, "BYDAY")]
    rule = Rule(
        freq=_freq(parts),
        interval=_single(parts, "INTERVAL") or 1,
        count=_single(parts, "COUNT"),
        until=_until(parts),
        months=_numbers(parts, "BYMONTH"),
        month_days=_numbers(parts, "BYMONTHDAY"),
        year_days=_numbers(parts, "BYYEARDAY"),
        weeks=_numbers(parts, "BYWEEKNO"),
        weekdays=frozenset(day for day, which in days if which is None),
        nth=frozenset((day, which) for day, which in days if which is not None),
        hours=_numbers(parts, "BYHOUR"),
        minutes=_numbers(parts, "BYMINUTE"),
        seconds=_numbers(parts, "BYSECOND"),
        positions=_numbers(parts, "BYSETPOS"),
        week_start=_week_start(parts),
    )
    _must_agree(rule, parts)
    return rule


def _parts(text: str) -> dict[str, str]:
    text = text.strip().upper()
    if len(text) > _LONGEST:
        raise RruleError(f"a rule has {_LONGEST} characters at most")
    for name, remedy in _ELSEWHERE.items():
        if re.search(rf"(^|[\s;:]){name}\b", text):
            raise RruleError(f"{name}: {remedy}")
    if len(lines := text.split()) > 1:
        raise RruleError(f'"{lines[1][:40]}": one rule stands in one line without spaces, as in {_EXAMPLE}')
    parts = dict[str, str]()
    for part in text.removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise RruleError(f'"{part[:40]}": a rule is made of NAME=VALUE with ; between them, as in {_EXAMPLE}')
        if name not in _PARTS:
            raise RruleError(f'"{name[:40]}" is no part of a rule; there are {", ".join(_PARTS)}')
        if name in parts:
            raise RruleError(f"{name} stands twice; write it once, with commas between its values")
        parts[name] = value
    return parts


def _freq(parts: dict[str, str]) -> Freq:
    names = ", ".join(reversed(Freq.__members__))
    if "FREQ" not in parts:
        raise RruleError(f"FREQ is missing; a rule has one of FREQ={names}")
    if parts["FREQ"] == "SECONDLY":
        raise RruleError(
            'FREQ: "SECONDLY" is too quick for a rule; use {"every": "PT10S"}, or cron with seconds, '
            'as in {"cron": "*/10 * * * * *"}'
        )
    if parts["FREQ"] not in Freq.__members__:
        raise RruleError(f'FREQ: "{parts["FREQ"][:40]}" is none of {names}')
    return Freq[parts["FREQ"]]


def _single(parts: dict[str, str], name: str) -> int | None:
    if name not in parts:
        return None
    (low, high), token = _SINGLE[name], parts[name]
    if not re.fullmatch(r"[0-9]{1,9}", token) or not low <= int(token) <= high:
        more = "; for more give UNTIL" if name == "COUNT" else ""
        raise RruleError(f'{name}: "{token[:40]}" is no number from {low} to {high:,}{more}')
    return int(token)


def _tokens(parts: dict[str, str], name: str) -> list[str]:
    return parts[name].split(",") if name in parts else []


def _numbers(parts: dict[str, str], name: str) -> frozenset[int]:
    return frozenset(_number(name, token) for token in _tokens(parts, name))


def _number(name: str, token: str) -> int:
    low, high = _PLAIN.get(name) or (1, _SIGNED[name])
    sign = "[+-]?" if name in _SIGNED else ""
    if not re.fullmatch(rf"{sign}[0-9]{{1,3}}", token) or not low <= abs(int(token)) <= high:
        behind = f", or -1 to -{high} from the end" if name in _SIGNED else ""
        raise RruleError(f'{name}: "{token[:40]}" is no number from {low} to {high}{behind}')
    return int(token)


def _day(token: str) -> tuple[int, int | None]:
    found = _DAY.fullmatch(token)
    if found is None:
        raise RruleError(
            f'BYDAY: "{token[:40]}" is no weekday; use {", ".join(WEEKDAYS)}, with an optional number as in -1FR'
        )
    which = int(found[1]) if found[1] else None
    if which is not None and not 1 <= abs(which) <= 53:
        raise RruleError(f'BYDAY: "{token}" counts wrongly; the number goes from 1 to 53, or from -1 to -53')
    return WEEKDAYS.index(found[2]), which


def _week_start(parts: dict[str, str]) -> int:
    token = parts.get("WKST", "MO")
    if token not in WEEKDAYS:
        raise RruleError(f'WKST: "{token[:40]}" is no weekday; use one of {", ".join(WEEKDAYS)}')
    return WEEKDAYS.index(token)


def _until(parts: dict[str, str]) -> datetime | None:
    """The last time that counts; a date counts to its end."""
    if (token := parts.get("UNTIL")) is None:
        return None
    try:
        if not _DATE.fullmatch(token):
            raise ValueError
        time = datetime.fromisoformat(token.removesuffix("Z"))
    except ValueError:
        raise RruleError(
            f'UNTIL: "{token[:40]}" is no time; write a date (20271231), a time by the clock of the timezone '
            f"(20271231T100000) or one in UTC (20271231T090000Z)"
        ) from None
    if len(token) == len("20271231"):
        return time + timedelta(days=1, microseconds=-1)
    return time.replace(tzinfo=UTC) if token.endswith("Z") else time


def _must_agree(rule: Rule, parts: dict[str, str]) -> None:
    """Raise RruleError for parts that RFC 5545 does not allow together."""
    freq, given = rule.freq, parts.keys()
    if {"COUNT", "UNTIL"} <= given:
        raise RruleError("COUNT and UNTIL exclude each other; give one of them")
    if "BYWEEKNO" in given and freq is not Freq.YEARLY:
        raise RruleError(f"BYWEEKNO counts the weeks of a year; use it with FREQ=YEARLY, not {freq.name}")
    if "BYYEARDAY" in given and freq in {Freq.MONTHLY, Freq.WEEKLY, Freq.DAILY}:
        raise RruleError(f"BYYEARDAY counts the days of a year; use it with FREQ=YEARLY, not {freq.name}")
    if "BYMONTHDAY" in given and freq is Freq.WEEKLY:
        raise RruleError("BYMONTHDAY is not for FREQ=WEEKLY; use it with MONTHLY or DAILY")
    if "BYSETPOS" in given and not any(name.startswith("BY") for name in given - {"BYSETPOS"}):
        raise RruleError("BYSETPOS chooses among what other parts name; add one of them, such as BYDAY")
    if rule.nth:
        _must_count_days(rule, parts["BYDAY"])


def _must_count_days(rule: Rule, token: str) -> None:
    if rule.freq > Freq.MONTHLY:
        raise RruleError(f'BYDAY: "{token[:40]}" counts the weekdays of a month or year; use it with FREQ=MONTHLY')
    if rule.weeks:
        raise RruleError(f'BYDAY: "{token[:40]}" counts weekdays, BYWEEKNO weeks; leave the number or BYWEEKNO out')
    if (rule.freq is Freq.MONTHLY or rule.months) and any(abs(which) > 5 for _, which in rule.nth):
        raise RruleError(f'BYDAY: "{token[:40]}" counts wrongly; in a month the number goes from 1 to 5, or -1 to -5')
