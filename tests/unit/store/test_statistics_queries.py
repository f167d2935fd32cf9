"""Which rows tell the busiest keys."""

from datetime import UTC, datetime, timedelta

import pytest

from duebook_common.domain.statistics import DAY, HOUR, MINUTE, Dimension
from duebook_common.store.statistics_queries import StatisticsRange, coarse

START = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)


def wanted(base: timedelta, length: timedelta, dimension: Dimension = Dimension.QUEUE) -> StatisticsRange:
    return StatisticsRange(START, START + length, base, base, dimension)


@pytest.mark.parametrize(
    ("base", "length", "start", "read"),
    [
        (MINUTE, HOUR, START, MINUTE),
        (MINUTE, DAY, START.replace(minute=0), HOUR),
        (HOUR, 30 * DAY, START.replace(hour=0, minute=0), DAY),
        (DAY, 300 * DAY, START, DAY),
    ],
)
def test_a_long_range_is_read_in_longer_steps(
    base: timedelta, length: timedelta, start: datetime, read: timedelta
) -> None:
    found = coarse(wanted(base, length))
    assert (found.start, found.end, found.base) == (start, START + length, read)


def test_jobs_are_only_counted_by_the_hour() -> None:
    every_hour = wanted(HOUR, 30 * DAY, Dimension.JOB)
    assert coarse(every_hour) == every_hour
