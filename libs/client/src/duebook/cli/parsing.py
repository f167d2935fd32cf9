"""What a person writes in a flag, turned into what the API takes. Pure, but for the files that a flag names."""

import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from duebook_common.runtime.durations import iso

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SHORT = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)
_ISO = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII)


def duration(text: str) -> timedelta:
    """`90s`, `5m`, `1h30m`, `2d`, or ISO 8601; raises ValueError."""
    found = _SHORT.fullmatch(text) or _ISO.fullmatch(text.upper())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is no duration; write it like 90s, 5m, 1h30m, 2d or PT90S")
    try:
        return timedelta(**{unit: float(n or 0) for unit, n in zip(_UNITS.values(), found.groups(), strict=True)})
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None


def iso_duration(text: str) -> str:
    """A flag's duration as the API takes it."""
    return iso(duration(text))


def moment(text: str, now: datetime) -> str:
    """An RFC 3339 time, from one with an offset or from `in 90s` or `3d ago`; raises ValueError."""
    if text.startswith("in "):
        return _moved(text, now, duration(text.removeprefix("in ").strip())).isoformat()
    if text.endswith(" ago"):
        return _moved(text, now, -duration(text.removesuffix(" ago").strip())).isoformat()
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; write it like 2026-11-24T02:00:00+01:00, 'in 90s' or '3d ago'"
        ) from None
    if time.tzinfo is None:
        raise ValueError(f"{text!r} lacks an offset; write it like {text}Z or {text}+01:00")
    return time.isoformat()


def _moved(text: str, now: datetime, by: timedelta) -> datetime:
    try:
        return now + by
    except OverflowError:
        raise ValueError(f"{text!r} is too far away") from None


def recurrence(text: str) -> Any:
    """`daily`, `weekly`, `every 15m`, `cron 0 2 * * *`, `rrule FREQ=…`; what else it may be, the API judges."""
    kind, _, rest = text.strip().partition(" ")
    match kind:
        case "every" if rest:
            return {"every": iso_duration(rest.strip())}
        case "cron" | "rrule" if rest:
            return {kind: rest.strip()}
        case _:
            return text


def json_or_file(text: str) -> Any:
    """JSON as it stands, or `@FILE` (`@-` is stdin) that holds it; raises ValueError."""
    return json_file(text[1:]) if text.startswith("@") else _json(text, repr(text[:60]))


def json_file(name: str) -> Any:
    """The JSON in a file, `-` for stdin; raises ValueError."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{name} is not UTF-8 text") from None
    return _json(text, "stdin" if name == "-" else name)


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{what} is not JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")
