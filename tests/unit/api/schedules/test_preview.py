"""Previews: descriptions in English, notes, and their cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duebook_api.schedules.preview import description, preview
from duebook_common.domain.definition import Cron, Definition, Every, Recurrence, Rrule
from support.cost import cpu_seconds

START = datetime(2026, 11, 24, 9, tzinfo=UTC)  # a Tuesday, 10:00 in Berlin


def job(recurrence: Recurrence, **fields: Any) -> Definition:
    return Definition(
        **{"name": "any", "scheduled_at": START, "recurrence": recurrence, "timezone": "Europe/Berlin", **fields}
    )


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("FREQ=MONTHLY;BYDAY=-1FR", "Every month on the last Friday at 10:00"),
        ("FREQ=DAILY", "Every day at 10:00"),
        ("FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0,30", "Every day at 09:00, 09:30, 17:00 and 17:30"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR,MO", "Every 2 weeks on Monday and Friday at 10:00"),
        ("FREQ=WEEKLY", "Every week on Tuesday at 10:00"),
        ("FREQ=YEARLY", "Every year on 24 November at 10:00"),
        ("FREQ=YEARLY;BYMONTH=2,3", "Every year on the 24th day of the month in February and March at 10:00"),
        ("FREQ=YEARLY;BYDAY=20MO", "Every year on the 20th Monday of the year at 10:00"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "Every year in the 20th week of the year on Monday at 10:00"),
        ("FREQ=YEARLY;BYYEARDAY=1,100,-1", "Every year on the 1st, 100th and last day of the year at 10:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", "Every month on Friday if that is the 13th day of the month at 10:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=-2,2", "Every month on the 2nd and 2nd last day of the month at 10:00"),
        ("FREQ=HOURLY;INTERVAL=6", "Every 6 hours at minute 0"),
        ("FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10", "Every 15 minutes at hour 9 and 10"),
        ("FREQ=MINUTELY;BYSECOND=30", "Every minute at second 30"),
    ],
)
def test_the_description_of_a_rule(rule: str, text: str) -> None:
    assert description(job(Rrule(rule))) == f"{text} in Europe/Berlin"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("FREQ=DAILY;COUNT=3", ", 3 times in all"),
        ("FREQ=DAILY;UNTIL=20271231", ", until 2027-12-31"),
        ("FREQ=DAILY;UNTIL=20271231T090000Z", ", until 2027-12-31 09:00:00+00:00"),
        ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1", ", but only the last of these times in the month"),
    ],
)
def test_the_description_of_the_bounds_of_a_rule(rule: str, text: str) -> None:
    assert description(job(Rrule(rule))).endswith(f" at 10:00 in Europe/Berlin{text}")


@pytest.mark.parametrize(
    ("every", "text"),
    [
        (timedelta(seconds=1), "second"),
        (timedelta(days=1), "day"),
        (timedelta(minutes=15), "15 minutes"),
        (timedelta(minutes=90), "1 hour 30 minutes"),
        (timedelta(days=2, hours=3, seconds=1.5), "2 days 3 hours 1.5 seconds"),
    ],
)
def test_the_description_of_an_interval_is_in_words(every: timedelta, text: str) -> None:
    assert description(job(Every(every))).startswith(f"Every {text} of real time, counted from ")


def notes(recurrence: Recurrence, after: datetime = START - timedelta(days=1)) -> list[str]:
    found: list[str] = preview(job(recurrence), after, 3)["notes"]
    return found


def test_a_note_says_that_the_start_is_not_a_time_of_the_schedule() -> None:
    assert notes(Rrule("FREQ=WEEKLY;BYDAY=FR"))[0].startswith("scheduled_at is not a time of this schedule")
    assert notes(Rrule("FREQ=WEEKLY;BYDAY=FR"), after=START) == []
    assert notes(Rrule("FREQ=WEEKLY")) == []


def test_a_note_says_that_the_dst_policy_does_not_apply() -> None:
    assert notes(Rrule("FREQ=HOURLY"))[0].startswith("No hour or no minute is given, so dst does not apply")
    assert notes(Rrule("FREQ=HOURLY;BYHOUR=10")) == []


@pytest.mark.parametrize(
    ("zone", "note"),
    [
        ("Etc/GMT+5", "Etc/GMT+5 is 5 h behind UTC: the sign in these names is reversed"),
        ("Etc/GMT-14", "Etc/GMT-14 is 14 h ahead of UTC: the sign in these names is reversed"),
    ],
)
def test_a_note_says_that_the_sign_in_names_of_etc_is_reversed(zone: str, note: str) -> None:
    assert preview(job("daily", timezone=zone), START, 1)["notes"] == [note]


KINDS: list[Recurrence] = [
    "daily",
    "weekly",
    Every(timedelta(seconds=1)),
    Every(timedelta(days=20)),
    Cron("* * * * * *"),
    Cron("0-59 0-59 0-23 * * *"),
    Cron("0 2 * * 1-5"),
    Cron("0 0 29 2 *"),
    Cron("@yearly"),
    Rrule("FREQ=MINUTELY"),
    Rrule("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),
    Rrule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO"),
]


@pytest.mark.parametrize("recurrence", KINDS)
@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Europe/Berlin", datetime(2027, 3, 28, tzinfo=UTC)),  # a gap comes an hour later
        ("Pacific/Apia", datetime(2011, 12, 30, 9, 50, tzinfo=UTC)),  # a day is skipped ten minutes later
    ],
)
def test_a_preview_of_a_thousand_times_costs_little(recurrence: Recurrence, zone: str, start: datetime) -> None:
    definition = job(recurrence, scheduled_at=start, timezone=zone)
    assert min(cpu_seconds(lambda: preview(definition, start, 1000)) for _ in range(3)) < 0.2
