"""How sentences write durations and numbers."""

from datetime import timedelta

import pytest

from duebook_common.runtime import phrases


def test_durations_are_written_in_their_two_largest_units() -> None:
    lengths = [0.02, 1, 1.25, 61, 3600, 90061, 86400 * 3]
    assert [phrases.duration(timedelta(seconds=seconds)) for seconds in lengths] == [
        "20 milliseconds", "1 second", "1.2 seconds", "1 minute 1 second", "1 hour", "1 day 1 hour", "3 days",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0019, "1.9 ms"),
        (0.4, "400 ms"),
        (1.1, "1.1 s"),
        (0.9999, "1 s"),
        (1.96, "2 s"),
        (9.97, "10 s"),
        (41, "41 s"),
        (59.7, "1 min"),
        (128, "2 min 8 s"),
        (420, "7 min"),
        (82_080, "22 h 48 min"),
        (86_400, "1 day"),
        (345_600, "4 days"),
    ],
)
def test_a_short_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert phrases.short_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("length", "exact", "interval"),
    [
        (timedelta(seconds=1), "1 second", "second"),
        (timedelta(seconds=10), "10 seconds", "10 seconds"),
        (timedelta(seconds=61), "1 minute 1 second", "1 minute 1 second"),
        (timedelta(minutes=90), "1 hour 30 minutes", "1 hour 30 minutes"),
        (timedelta(days=1), "1 day", "day"),
        (timedelta(hours=26), "1 day 2 hours", "1 day 2 hours"),
        (timedelta(days=2, hours=3, seconds=1.5), "2 days 3 hours 1.5 seconds", "2 days 3 hours 1.5 seconds"),
        (timedelta(days=36500), "36,500 days", "36,500 days"),
        (timedelta(0), "0 seconds", "0 seconds"),
    ],
)
def test_a_chosen_duration_is_written_with_all_its_units(length: timedelta, exact: str, interval: str) -> None:
    assert (phrases.exact_duration(length), phrases.interval(length)) == (exact, interval)
