"""What to write instead of a cron expression that is not valid here: other programs read other dialects."""

import re

_DAYS = "MO,TU,WE,TH,FR"
_UNITS = {
    "s": "S",
    "sec": "S",
    "second": "S",
    "m": "M",
    "min": "M",
    "minute": "M",
    "h": "H",
    "hour": "H",
    "d": "D",
    "day": "D",
}
_DAY_NAMES = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FULL_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_FULL_MONTHS = (
    "JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER".split()  # noqa: SIM905
)
_LONGEST = 300  # characters of an expression in a remedy
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212", "------")


def expression_hint(text: str) -> str | None:
    """What is wrong with an invalid expression as a whole, and the remedy; None if a single field is at fault."""
    text = text.strip()[:1000]
    checks = (_zone, _wrapper, _interval, _other_format, _command, _year, _blanks)
    return next((hint for check in checks if (hint := check(text)) is not None), None)


def _zone(text: str) -> str | None:
    """A time zone before or after the fields."""
    before = re.fullmatch(r"(?:CRON_)?TZ=(\S*)\s*(.*)", text, re.IGNORECASE)
    after = re.fullmatch(r"((?:\S+\s+){5})(UTC|GMT|[A-Z]\w+/[A-Z]\w+(?:/\w+)?)", text, re.IGNORECASE)
    if before is None and after is None:
        return None
    zone, rest = before.groups() if before else (after[2], after[1]) if after else ("", "")
    expression = f'"{_repaired(rest)}", and ' if rest else ""
    return f'the time zone does not belong into the expression; write {expression}the field timezone: "{zone[:40]}"'


def _wrapper(text: str) -> str | None:
    match = re.fullmatch(r"cron\s*\((.*)\)", text, re.IGNORECASE)
    return (
        None if match is None else f'write the expression without cron( ), and without a year: "{_repaired(match[1])}"'
    )


def _repaired(text: str) -> str:
    """The expression without a year, `?` and blanks in its fields."""
    return _without_year(_joined(text))[:_LONGEST]


def _interval(text: str) -> str | None:
    """`@every 5m` of Go programs, and `rate(5 minutes)` of AWS."""
    if not re.match(r"@every\b|rate\s*\(|P\d|PT\d", text, re.IGNORECASE):
        return None
    interval = interval_of(text)
    example = f'{{"every": "{interval}"}}' if interval else 'such as {"every": "PT5M"}'
    return f"an interval is no cron expression; write the recurrence {example}"


def interval_of(text: str) -> str | None:
    """The interval that `@every 5m`, `every 5 minutes`, `rate(5 minutes)`, `5m` or `PT5M` name, in ISO 8601."""
    if re.fullmatch(r"P(?=\d|T\d)(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?", text, re.IGNORECASE | re.ASCII):
        return text.upper()
    bare = re.sub(r"^(@?every\b|rate\s*\()\s*|\)$", "", text, flags=re.IGNORECASE)
    parts = re.findall(r"(\d{1,9})\s*([a-z]+)\s*", bare, re.IGNORECASE | re.ASCII)
    if not re.fullmatch(r"(\d{1,9}\s*[a-z]+\s*)+", bare, re.IGNORECASE | re.ASCII):
        return None
    units = {_UNITS.get(unit.lower().removesuffix("s") or "s", ""): number for number, unit in parts}
    if "" in units or len(units) < len(parts):
        return None
    days, *clock = (f"{units[unit]}{unit}" if unit in units else "" for unit in "DHMS")
    return f"P{days}T{''.join(clock)}" if any(clock) else f"P{days}"


def _other_format(text: str) -> str | None:
    if re.match(r"(RRULE:)?FREQ=", text, re.IGNORECASE):
        return f'this is a recurrence rule; write the recurrence {{"rrule": "{text[:_LONGEST]}"}}'
    if text.lower() in {"yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"}:
        return f'write "@{text.lower()}", or five fields'
    return None


def _command(text: str) -> str | None:
    """A whole line of a crontab."""
    parts = text.translate(_DASHES).split()
    if not any(re.search(r"^/\D|[^\w*,/#?-]", part) for part in parts[5:]):
        return None
    fields = " ".join(parts[:5])[:_LONGEST]
    return f'a command does not belong into the expression; write "{fields}", and give the command to a task'


def _blanks(text: str) -> str | None:
    """Blanks within a field make two fields of it. Also dashes that are no hyphens."""
    joined, hyphens = _joined(text), text.translate(_DASHES)
    if joined == text:
        return None
    fault = "a range is written with a plain hyphen" if joined == hyphens else "a field has no blanks in it"
    return f'{fault}; write "{joined[:_LONGEST]}"'


def _joined(text: str) -> str:
    """The expression without blanks in its fields, if it then has five or six."""
    hyphens = text.translate(_DASHES)
    joined = re.sub(r"\s*([,/#-])\s*", r"\1", hyphens)
    return joined if len(joined.split()) in {5, 6} else hyphens


def _year(text: str) -> str | None:
    """Seven fields, or six of which the last is a year: Quartz and AWS have years."""
    shorter = _without_year(text)
    if len(text.split()) == len(shorter.split()) or _joined(text) != text:
        return None
    return f'a year is no field here; write "{shorter[:_LONGEST]}", and bound it by scheduled_at and ends_at'


def _without_year(text: str) -> str:
    """Without the last of seven fields, and of six if it is a year, or if `?` is where AWS has days."""
    parts = text.split()
    is_aws = len(parts) == 6 and (parts[2] == "?" or parts[4] == "?" or re.match(r"(19|2\d)\d\d", parts[5]))
    if len(parts) == 7 or is_aws:
        parts.pop()
    return " ".join("*" if part == "?" else part for part in parts)


def token_hint(field: str, token: str) -> str | None:
    """The remedy for a token (in upper case) of the field so named, None if there is no special one."""
    hints = (_any(token), _hash(token), _weekday_nearest(field, token), _last(field, token), _name(field, token))
    return next((hint for hint in hints if hint is not None), None)


def _any(token: str) -> str | None:
    if not token:
        return "a comma has a value before and after it"
    return "write * instead, for any value" if token == "?" else None  # noqa: S105 - a part of an expression


def _hash(token: str) -> str | None:
    if re.fullmatch(r"H(\(.*\))?(/\d+)?", token):
        return "H is of Jenkins; write a number, and spread jobs with the field jitter"
    return None


def _weekday_nearest(field: str, token: str) -> str | None:
    """`15W` and `LW` of Quartz. The last is exact as a rule, the first nearly."""
    if field != "day of month" or not re.fullmatch(r"\d{1,2}W|LW|WL", token):
        return None
    day = 31 if "L" in token else max(int(token[:-1]), 1)
    if day > 29:
        return _instead("for the last working day of the month", f"BYDAY={_DAYS};BYSETPOS=-1")
    days = f"BYMONTHDAY={day},{day + 1},{day + 2}"
    purpose = "W, the nearest working day, is not supported; for the first working day from that day on"
    return _instead(purpose, f"BYDAY={_DAYS};{days};BYSETPOS=1")


def _instead(purpose: str, parts: str) -> str:
    return f'{purpose} write the recurrence {{"rrule": "FREQ=MONTHLY;{parts}"}}, with the time of day in scheduled_at'


def _last(field: str, token: str) -> str | None:
    if field == "day of month" and (match := re.fullmatch(r"L-(\d{1,2})", token)):
        return _instead("to count from the end", f"BYMONTHDAY=-{int(match[1]) + 1}")
    if field == "day of month" and token == "LAST":  # noqa: S105 - a part of an expression
        return "write L for the last day of the month"
    if field == "day of week" and token == "L":  # noqa: S105
        return "L takes a weekday before it, as in FRIL for the last Friday of the month"
    if field == "day of week" and (match := re.fullmatch(r"([A-Z]{3}|\d)#(L|-1)", token)):
        return f"write {match[1]}L for the last one of the month"
    if field not in {"day of month", "day of week"} and re.fullmatch(r"L|\d{1,2}L", token):
        return "L is for the day of month (L, the last) and the day of week (FRIL, the last Friday)"
    if field != "day of week" and re.fullmatch(r"\w{1,3}(#\w+|L)", token):
        return "weekdays of the month, as in MON#2 and FRIL, belong into the last field, the day of week"
    return None


def _name(field: str, token: str) -> str | None:
    """Names of another length, or of another field."""
    parts = [_short_name(part) for part in re.split(r"([-/,])", token)]
    short = "".join(parts)
    if field in {"month", "day of week"} and short != token:
        return f"names have three letters; write {short}"
    if field != "day of week" and any(part in _DAY_NAMES for part in parts):
        return "weekdays belong into the last field, the day of week"
    if field != "month" and any(part in _MONTH_NAMES for part in parts):
        return "months belong into the last field but one"
    return None


def _short_name(part: str) -> str:
    """`MON` for `MO`, `MONDAY` and the like; other texts as they are."""
    names = {name[:3] for name in (*_FULL_DAYS, *_FULL_MONTHS) if len(part) > 1 and name.startswith(part)}
    return names.pop() if len(names) == 1 else part
