"""How mails write times, names and quotes."""

from datetime import UTC, datetime
from unicodedata import bidirectional
from zoneinfo import ZoneInfo

_LONGEST_NAME, _LONGEST_QUOTE = 120, 200  # characters
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_ISOLATE, _END = "\u2068", "\u2069"  # what is between them reorders nothing outside
_WITHOUT_ISOLATES = dict.fromkeys(map(ord, (_ISOLATE, _END)))


def local_time(time: datetime, zone: str = "UTC") -> str:
    """Like `2026-11-24 02:00:00 +01:00 (01:00:00 UTC)`; without the second part where the offset is zero."""
    utc, local = time.astimezone(UTC), time.astimezone(ZoneInfo(zone))
    if not local.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    offset = local.strftime("%z")
    date = "" if local.date() == utc.date() else f"{utc:%Y-%m-%d} "
    return f"{local:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]} ({date}{utc:%H:%M:%S} UTC)"


def minute(time: datetime, zone: str = "UTC") -> str:
    """To the minute, like `2026-11-24 02:00 +01:00`, within a sentence."""
    local = time.astimezone(ZoneInfo(zone))
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M} {f'{offset[:3]}:{offset[3:5]}' if local.utcoffset() else 'UTC'}"


def request_time(time: datetime) -> str:
    """As a request has it, like `2026-11-24T01:00:00Z`."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def one_line(text: str, longest: int = _LONGEST_NAME) -> str:
    """A text from outside on one line: unprintable characters, such as control characters, become spaces."""
    text = text[: longest * 4]
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def quoted(text: str) -> str:
    """The first line of a text from outside, in quotes."""
    return f"“{isolated(one_line(text.strip().partition(chr(10))[0], _LONGEST_QUOTE))}”"


def isolated(text: str) -> str:
    """The line so that its letters from right to left do not reorder the sentence around it."""
    right_to_left = any(bidirectional(char) in _RIGHT_TO_LEFT for char in text)
    return f"{_ISOLATE}{text}{_END}" if right_to_left else text


def without_isolates(text: str) -> str:
    return text.translate(_WITHOUT_ISOLATES)


def shortened(text: str, longest: int) -> str:
    """The beginning of a text from outside, without control characters."""
    shown = "".join(char for char in text[:longest] if char.isprintable() or char in "\n\t")
    return shown if len(text) <= longest else f"{shown}\n… ({len(text):,} characters in all)"
