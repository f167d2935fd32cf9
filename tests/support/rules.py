"""Random recurrence rules, nearly all of them valid, and their times by another implementation (dateutil)."""

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice

from dateutil.rrule import rrulestr

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FREQS = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")


def any_rule(chance: random.Random, start: datetime) -> str:
    """A rule that RFC 5545 allows. Its UNTIL, if any, is within 900 days of `start`."""
    freq = chance.choice(_FREQS)
    parts = {"FREQ": freq}
    if chance.random() < 0.5:
        parts["INTERVAL"] = str(chance.choice([2, 3, 5, 7, 12, 24, 90, 1440]) if chance.random() < 0.9 else 1)
    for name, likely, low, high, signed, freqs in (
        ("BYMONTH", 0.2, 1, 12, False, _FREQS),
        ("BYMONTHDAY", 0.3, 1, 31, True, ("YEARLY", "MONTHLY", "DAILY", "HOURLY", "MINUTELY")),
        ("BYYEARDAY", 0.15, 1, 366, True, ("YEARLY", "HOURLY", "MINUTELY")),
        ("BYWEEKNO", 0.2, 1, 51, True, ("YEARLY",)),
        ("BYHOUR", 0.3, 0, 23, False, _FREQS),
        ("BYMINUTE", 0.3, 0, 59, False, _FREQS),
        ("BYSECOND", 0.15, 0, 59, False, _FREQS),
    ):
        if freq in freqs and chance.random() < likely:
            parts[name] = _numbers(chance, low, high, signed=signed)
    if chance.random() < 0.4:
        parts["BYDAY"] = _weekdays(chance, freq if "BYWEEKNO" not in parts else "WEEKLY", in_month="BYMONTH" in parts)
    if len(parts) > 1 + ("INTERVAL" in parts) and chance.random() < 0.25:
        parts["BYSETPOS"] = _numbers(chance, 1, 4, signed=True)
    if chance.random() < 0.3:
        parts["WKST"] = chance.choice(DAYS)
    if chance.random() < 0.3:
        parts["COUNT"] = str(chance.randint(1, 40))
    elif chance.random() < 0.3:
        parts["UNTIL"] = (start + timedelta(days=chance.randint(0, 900))).strftime(
            chance.choice(["%Y%m%d", "%Y%m%dT%H%M%S"])
        )
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _numbers(chance: random.Random, low: int, high: int, *, signed: bool) -> str:
    sign = -1 if signed and chance.random() < 0.4 else 1
    return ",".join(str(sign * chance.randint(low, high)) for _ in range(chance.randint(1, 4)))


def _weekdays(chance: random.Random, freq: str, *, in_month: bool) -> str:
    days = chance.sample(DAYS, chance.randint(1, 4))
    if freq in {"YEARLY", "MONTHLY"} and chance.random() < 0.6:
        most = 53 if freq == "YEARLY" and not in_month else 5
        return ",".join(f"{chance.choice([-1, 1]) * chance.randint(1, most)}{day}" for day in days)
    return ",".join(days)


def dateutil_times(text: str, start: datetime) -> Iterator[datetime]:
    """The local times by dateutil, corrected where it reads a rule differently.

    dateutil ends a date in UNTIL at its midnight, and counts BYSETPOS in the first week from the start on instead of
    from the week's start.
    """
    parts = dict(part.split("=") for part in text.split(";"))
    if len(parts.get("UNTIL", "")) == 8:
        parts["UNTIL"] += "T235959"
    if parts["FREQ"] != "WEEKLY" or "BYSETPOS" not in parts:
        return _times(parts, start)
    parts.setdefault("BYDAY", DAYS[start.weekday()])
    for name, value in (("BYHOUR", start.hour), ("BYMINUTE", start.minute), ("BYSECOND", start.second)):
        parts.setdefault(name, str(value))
    count = int(parts.pop("COUNT", 0)) or None
    monday = start.replace(hour=0, minute=0, second=0)
    week = monday - timedelta(days=(start.weekday() - DAYS.index(parts.get("WKST", "MO"))) % 7)
    later = (time for time in _times(parts, week) if time >= start)
    return islice(later, count)


def _times(parts: dict[str, str], start: datetime) -> Iterator[datetime]:
    with suppress(ValueError):  # dateutil raises it for an INTERVAL that selects no period
        yield from rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=start)
