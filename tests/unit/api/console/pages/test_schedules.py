from datetime import UTC, datetime

import pytest

from duebook_api.console.pages.schedules import in_words

START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("recurrence", "words"),
    [
        ("none", "Once"),
        ("daily", "Every day at 02:00 in Berlin"),
        ("weekly", "Every Monday at 02:00 in Berlin"),
        ({"every": "PT15M"}, "Every 15 minutes"),
        ({"every": "PT1H"}, "Every hour"),
        ({"every": "PT26H"}, "Every 1 day 2 hours"),
        ({"cron": "0 2 * * 1-5"}, "At 02:00 on Monday through Friday in Berlin"),
    ],
)
def test_a_schedule_in_words_names_the_city(recurrence: object, words: str) -> None:
    assert in_words({"recurrence": recurrence, "scheduled_at": START, "timezone": "Europe/Berlin"}) == words
