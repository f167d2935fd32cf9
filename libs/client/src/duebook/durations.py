"""Durations as a task or a client gives them, and as the API reads them."""

from datetime import timedelta


def duration(value: timedelta | float | None) -> timedelta | None:
    """A timedelta, or seconds; raises ValueError for a number that is no duration."""
    if value is None or isinstance(value, timedelta):
        return value
    try:
        return timedelta(seconds=value)
    except (OverflowError, TypeError, ValueError):
        raise ValueError(f"{value!r} is not a duration: write a timedelta, or seconds") from None


def iso_duration(value: timedelta) -> str:
    """The duration in ISO 8601, in seconds: `PT90S`, `PT0.5S`."""
    sign = "-" if value < timedelta(0) else ""
    seconds, rest = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
    return f"{sign}PT{seconds}{f'.{rest:06}'.rstrip('0') if rest else ''}S"
