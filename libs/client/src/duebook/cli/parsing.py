"""Parse the values of options into what the API takes. Pure, except that an option may name a file."""

import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from duebook_common.domain.schedule.recurrence_hints import meant
from duebook_common.runtime.iso_duration import iso

_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_SHORT = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)
_JSON_STARTS = '{["'
_ISO = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII)


def duration(text: str) -> timedelta:
    """Parse `90s`, `5m`, `1h30m`, `2d` or an ISO 8601 duration; raises ValueError."""
    match = _SHORT.fullmatch(text) or _ISO.fullmatch(text.upper())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration; write it like 90s, 5m, 1h30m, 2d or PT90S")
    try:
        return timedelta(**{unit: float(n or 0) for unit, n in zip(_UNITS, match.groups(), strict=True)})
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None


def iso_duration(text: str) -> str:
    """Parse a duration; returns it in ISO 8601, as the API takes it."""
    return iso(duration(text))


def follow_up(text: str) -> dict[str, Any]:
    """Parse `JOB`, `JOB on=dead_lettered,skipped` or `JOB payload=result`; raises ValueError."""
    job, *settings = text.split() or [""]
    given = dict(setting.partition("=")[::2] for setting in settings)
    if not job or given.keys() - {"on", "payload"}:
        raise ValueError(f"{text!r} is no follow-up; write it like 'key:report on=succeeded payload=result'")
    outcomes = {"on": given["on"].split(",")} if "on" in given else {}
    payload = {"payload": given["payload"]} if "payload" in given else {}
    return {"job": job, **outcomes, **payload}


def timestamp(text: str, now: datetime) -> str:
    """Parse a time with an offset, `in 90s` or `3d ago`; returns it as RFC 3339; raises ValueError."""
    if text.startswith("in "):
        return _shifted(text, now, duration(text.removeprefix("in ").strip())).isoformat()
    if text.endswith(" ago"):
        return _shifted(text, now, -duration(text.removesuffix(" ago").strip())).isoformat()
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time; write it like 2026-11-24T02:00:00+01:00, 'in 90s' or '3d ago'"
        ) from None
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write it like {text}Z or {text}+01:00")
    return time.isoformat()


def _shifted(text: str, now: datetime, by: timedelta) -> datetime:
    try:
        return now + by
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None


def recurrence(text: str) -> Any:
    """Parse `daily`, `every 15m`, `cron 0 2 * * *`, `rrule FREQ=…` or JSON as the API takes it; raises ValueError."""
    text = text.strip()
    kind, _, rest = text.partition(" ")
    match kind:
        case "none" | "daily" | "weekly" if not rest:
            return kind
        case "every" if rest:
            return {"every": iso_duration(rest.strip())}
        case "cron" | "rrule" if rest:
            return {kind: rest.strip()}
        case _ if text.startswith("{"):
            return _json(text, repr(text[:60]))
        case _:
            raise ValueError(f"{text[:60]!r} is not a recurrence; write {_recurrence_remedy(text)}")


def _recurrence_remedy(text: str) -> str:
    """What the text probably means, as this option takes it."""
    if match := re.fullmatch(r"(?:CRON_)?TZ=(\S+)\s+(.+)", text):
        return f"'cron {match[2]}' and --timezone {match[1]}"
    meaning = meant(text)
    if meaning is None:
        return "none, daily, weekly, 'every 15m', 'cron 0 2 * * *' or 'rrule FREQ=MONTHLY;BYDAY=-1FR'"
    if isinstance(meaning, str):
        return meaning
    [(kind, value)] = meaning.items()
    return f"'{kind} {value}'"


def json_or_file(text: str) -> Any:
    """Parse JSON, or read JSON or YAML from `@FILE` (`@-` is stdin); raises ValueError."""
    return document(text[1:]) if text.startswith("@") else _json(text, repr(text[:60]))


def document(name: str) -> Any:
    """Read JSON or YAML from a file (`-` is stdin); raises ValueError. What looks like JSON must be JSON."""
    return parsed(text_of(name), name)


def text_of(name: str) -> str:
    """The text of a file (`-` is stdin); raises ValueError."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{name} is not UTF-8 text") from None


def parsed(text: str, name: str) -> Any:
    """The value of the text of a file with this name; raises ValueError."""
    source = "stdin" if name == "-" else name
    if name.endswith((".yaml", ".yml")) or not (name.endswith(".json") or text.lstrip()[:1] in _JSON_STARTS):
        return _yaml(text, source)
    return _json(text, source)


def _yaml(text: str, source: str) -> Any:
    from duebook.cli import yaml_text

    try:
        return yaml_text.load(text)
    except RecursionError:
        raise ValueError(f"{source} is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{source} is not YAML that JSON could hold: {error}") from None


def _json(text: str, source: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(f"{source} is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{source} is not JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
