"""The periods of the log: what was opened in the same period is stored together, and can leave together."""

from datetime import UTC, datetime
from enum import StrEnum


class PeriodLength(StrEnum):
    """How long a period is, by the calendar of UTC."""

    MONTH = "month"
    DAY = "day"
    HOUR = "hour"


def period_start(time: datetime, length: PeriodLength) -> datetime:
    """The start (UTC) of the period in which `time` lies."""
    hour = time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if length is PeriodLength.HOUR:
        return hour
    day = hour.replace(hour=0)
    return day if length is PeriodLength.DAY else day.replace(day=1)
