"""Descriptions of recurrence rules say what the rules do, by another implementation (dateutil)."""

import random
from datetime import datetime, timedelta
from itertools import takewhile

import pytest

from duebook_api.schedules.rule_text import rule_text
from duebook_common.domain.schedule.rrule import RruleError, parse
from support.rules import any_rule, dateutil_times
from support.schedule_words import read_rule

START = datetime.fromisoformat("2026-11-24T09:30:00")
LEFT_OUT = ("INTERVAL", "COUNT", "UNTIL", "WKST", "BYSETPOS")  # the test does not read their words


@pytest.mark.parametrize("seed", range(3))
def test_the_description_names_the_times_of_the_rule(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        parts = any_rule(chance, START).split(";")
        text = ";".join(part for part in parts if not part.startswith(LEFT_OUT))
        if "HOURLY" in text or "MINUTELY" in text or not is_valid(text):  # dateutil takes minutes for these
            continue
        description = rule_text(text, START, "UTC")
        expects, times = read_rule(description), set(takewhile(is_near, dateutil_times(text, START)))
        assert all(map(expects, times)), (text, description)
        for time in {time + timedelta(days=n) for n in range(-40, 41) for time in sorted(times)[:8]}:
            if time >= START and is_near(time):
                assert expects(time) == (time in times), (text, description, time)


def is_near(time: datetime) -> bool:
    return time < START + timedelta(days=1100)


def is_valid(text: str) -> bool:
    try:
        parse(text)
    except RruleError:
        return False
    return True


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("FREQ=YEARLY;BYWEEKNO=20", "Every year on every day in the 20th week of the year at 09:30 in UTC"),
        (
            "FREQ=MONTHLY;BYMONTHDAY=13,14;BYDAY=FR",
            "Every month on Friday if that is the 13th or 14th day of the month at 09:30 in UTC",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU",
            "Every 2 weeks on Sunday at 09:30 in UTC, where weeks begin on Sunday",
        ),
    ],
)
def test_conditions_and_weeks_in_words(rule: str, text: str) -> None:
    assert rule_text(rule, START, "UTC") == text
