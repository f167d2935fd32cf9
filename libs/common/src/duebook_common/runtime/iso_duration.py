"""A duration as answers write it. Apart from `durations`, so that the command line starts without pydantic."""

from datetime import timedelta


def iso(value: timedelta) -> str:
    """The duration as answers write it: `PT1H30M`, `P365D`. Days are the largest unit."""
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    second = f"{seconds}.{value.microseconds:06}".rstrip("0") if value.microseconds else str(seconds)
    clock = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{second}S" * (second != "0")
    date = f"{value.days}D" * bool(value.days)
    return f"P{date}T{clock}" if clock else f"P{date}" if date else "PT0S"
