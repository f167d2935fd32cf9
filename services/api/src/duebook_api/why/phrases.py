"""How times, durations, people and quantities are said."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_LONGEST_QUOTE = 300
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def told(time: datetime, zone: str = "UTC") -> str:
    """An instant in UTC, and what the clocks of the zone show where that differs."""
    utc = time.astimezone(UTC)
    text = f"{utc:%Y-%m-%dT%H:%M:%S}{_fraction(utc)}Z"
    shown = utc.astimezone(ZoneInfo(zone))
    if shown.utcoffset() == timedelta(0):
        return text
    day = "" if shown.date() == utc.date() else f"{shown:%Y-%m-%d} "
    return f"{text} ({day}{shown:%H:%M}{f':{shown:%S}' if shown.second else ''} in {zone})"


def _fraction(time: datetime) -> str:
    return f".{time.microsecond:06}".rstrip("0") if time.microsecond else ""


def moment(time: datetime, zone: str = "UTC") -> str:
    """When something happened, to the second."""
    return told(time.replace(microsecond=0), zone)


def span(length: timedelta) -> str:
    """A length of time by its two largest units."""
    seconds = length.total_seconds()
    if seconds < 1:
        return count(round(max(seconds, 0.001) * 1000), "millisecond")
    if seconds < 60:
        shown = f"{seconds:.1f}".removesuffix(".0")
        return f"{shown} second{'' if shown == '1' else 's'}"
    rest, parts = round(seconds), list[str]()
    for unit, size in _UNITS:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append(count(number, unit) if number else "")
    return " ".join(part for part in parts[:2] if part)


def count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def are(number: int) -> str:
    return "is" if number == 1 else "are"


def quoted(text: str) -> str:
    """Somebody's words on one line, the beginning of long ones."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return f"“{line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + '…'}”"


def who(actor: str) -> str:
    """Whoever caused an event, as its `meta` names him."""
    if actor == "anonymous":
        return "somebody without a key"
    if actor.startswith("key:"):
        return f"the holder of the key {quoted(actor.removeprefix('key:'))}"
    kind = actor.partition(" ")[0]
    return f"the {kind}" if kind in {"scheduler", "executor"} else quoted(actor)


def executor(name: str | None) -> str:
    """The process that has an attempt, which calls itself `executor …` in the log."""
    return f"the executor {(name or '').removeprefix('executor ')}"


def capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def because(reason: str | None) -> str:
    """A reason that somebody gave, or did not."""
    return f", with the reason {quoted(reason)}" if reason else ", without giving a reason"
