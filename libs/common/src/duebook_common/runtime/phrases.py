"""How sentences and tables write durations and numbers."""

from datetime import timedelta

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def duration(length: timedelta) -> str:
    """A measured duration in its two largest units, such as "1 day 2 hours"."""
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


def exact_duration(length: timedelta) -> str:
    """A duration that a setting or a job names, in all its units, such as "2 days 3 hours 1.5 seconds"."""
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    second = f"{seconds}.{length.microseconds:06}".rstrip("0") if length.microseconds else str(seconds)
    counts = (f"{length.days:,}", str(hours), str(minutes), second)
    parts = [(count, unit) for count, (unit, _) in zip(counts, _UNITS, strict=True) if count != "0"]
    return " ".join(f"{count} {unit if count == '1' else f'{unit}s'}" for count, unit in parts) or "0 seconds"


def interval(length: timedelta) -> str:
    """The same after "every" or "any": a single unit goes without its number, such as "day"."""
    count, unit, *more = exact_duration(length).split()
    return unit if count == "1" and not more else " ".join([count, unit, *more])


def short_duration(length: timedelta) -> str:
    """For tables, in at most two units: `1.9 ms`, `1.4 s`, `41 s`, `2 min 8 s`, `22 h 48 min`, `4 days`."""
    seconds = length.total_seconds()
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s" if round(seconds, 1) < 10 else f"{whole} s"
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    if not hours:
        return f"{minute} min" + (f" {second} s" if second else "")
    days = hours // 24
    return quantity(days, "day") if days else f"{hours} h" + (f" {minute} min" if minute else "")


def quantity(number: int, noun: str, plural: str | None = None) -> str:
    """Like `1 run`, `1,204 runs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
