"""How sentences write durations and numbers."""

from datetime import timedelta

from duebook_common.runtime import phrases


def test_durations_are_written_in_their_two_largest_units() -> None:
    lengths = [0.02, 1, 1.25, 61, 3600, 90061, 86400 * 3]
    assert [phrases.duration(timedelta(seconds=seconds)) for seconds in lengths] == [
        "20 milliseconds", "1 second", "1.2 seconds", "1 minute 1 second", "1 hour", "1 day 1 hour", "3 days",
    ]  # fmt: skip
