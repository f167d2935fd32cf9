"""How sentences write durations and numbers."""

from datetime import timedelta

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def duration(length: timedelta) -> str:
    """A duration in its two largest units, such as "1 day 2 hours"."""
    seconds = length.total_seconds()
    if seconds < 1:
        return quantity(round(max(seconds, 0.001) * 1000), "millisecond")
    if seconds < 60:
        rounded = f"{seconds:.1f}".removesuffix(".0")
        return f"{rounded} second{'' if rounded == '1' else 's'}"
    rest, parts = round(seconds), list[str]()
    for unit, size in _UNITS:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append(quantity(number, unit) if number else "")
    return " ".join(part for part in parts[:2] if part)


def quantity(number: int, noun: str, plural: str | None = None) -> str:
    """Like `1 run`, `1,204 runs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
