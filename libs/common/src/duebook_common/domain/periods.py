"""The periods of the log: what was opened in the same period is stored together, and can leave together."""

import math
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MANY = 60  # periods in the database: with more, each statement on the log is noticeably slower
MOST = 400


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


def periods_kept(retention: timedelta, length: PeriodLength) -> int:
    """How many periods the database has at most: those of the retention, the open one and the one that leaves."""
    return math.ceil(retention / _SHORTEST[length]) + 2


def period_name(start: datetime, end: datetime) -> str:
    """The name of the period from `start` until before `end`, by which people call it and its archive.

    Like 2026-10, 2026-10-05 or 2026-10-05T13, and 2026-10-05T1330 for one that does not start at a full hour. No two
    periods have the same name, since no two have the same start.
    """
    start = start.astimezone(UTC)
    if start.minute:
        return f"{start:%Y-%m-%dT%H%M}"
    if (start.hour, start.day) == (0, 1) and end - start >= _SHORTEST_MONTH:
        return f"{start:%Y-%m}"
    return f"{start:%Y-%m-%d}" if start.hour == 0 and end - start >= _DAY else f"{start:%Y-%m-%dT%H}"


_DAY, _SHORTEST_MONTH = timedelta(days=1), timedelta(days=28)
_SHORTEST = {
    PeriodLength.MONTH: _SHORTEST_MONTH,
    PeriodLength.DAY: _DAY,
    PeriodLength.HOUR: timedelta(hours=1),
}
