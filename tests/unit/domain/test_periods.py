"""The periods of the log follow the calendar of UTC."""

from datetime import datetime, timedelta, timezone

import pytest

from duebook_common.domain.periods import PeriodLength, period_name, period_start

TIME = datetime(2026, 3, 1, 0, 30, 5, 7, timezone(timedelta(hours=1)))  # still February in UTC


@pytest.mark.parametrize(
    ("length", "start"),
    [
        (PeriodLength.MONTH, "2026-02-01T00:00:00+00:00"),
        (PeriodLength.DAY, "2026-02-28T00:00:00+00:00"),
        (PeriodLength.HOUR, "2026-02-28T23:00:00+00:00"),
    ],
)
def test_a_period_starts_by_the_calendar_of_utc(length: PeriodLength, start: str) -> None:
    assert period_start(TIME, length).isoformat() == start
    assert period_start(period_start(TIME, length), length) == period_start(TIME, length)


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        ("2026-10-01T00:00Z", "2026-11-01T00:00Z", "2026-10"),
        ("2026-02-01T00:00Z", "2026-03-01T00:00Z", "2026-02"),
        ("2026-10-01T00:00Z", "2026-10-02T00:00Z", "2026-10-01"),
        ("2026-10-05T00:00Z", "2026-12-24T00:00Z", "2026-10-05"),
        ("2026-10-01T00:00Z", "2026-10-01T01:00Z", "2026-10-01T00"),
        ("2026-10-05T13:00Z", "2026-10-06T13:00Z", "2026-10-05T13"),
        ("2026-10-05T13:05Z", "2026-10-06T13:00Z", "2026-10-05T1305"),
    ],
)
def test_a_period_has_a_short_name(start: str, end: str, name: str) -> None:
    assert period_name(datetime.fromisoformat(start), datetime.fromisoformat(end)) == name
