"""Descriptions of cron expressions say what the expressions do, whatever is accepted."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_api.schedules.cron_notes import cron_notes
from duebook_api.schedules.cron_text import cron_text
from duebook_common.domain.schedule.cron import CronError, parse
from support.schedule_words import read

MIDNIGHT = datetime.fromisoformat("2027-01-01T00:00:00")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("30 2 * * *", "At 02:30 every day"),
        ("0 2 * * 1-5", "At 02:00 on Monday through Friday"),
        ("0 0 * * mon-sun", "At 00:00 every day"),
        ("0 0 * * sat-sun", "At 00:00 on Saturday and Sunday"),
        ("0 0 * * 6-0", "At 00:00 on Saturday and Sunday"),
        ("0 0 * * 0,7", "At 00:00 on Sunday"),
        ("0 0 * * FRI-SUN", "At 00:00 on Friday through Sunday"),
        ("0 0 * * FRIL", "At 00:00 on the last Friday of the month"),
        ("0 0 L,15 feb *", "At 00:00 on the 15th and last day of the month in February"),
        ("0 0 1,15 * MON", "At 00:00 on the 1st and 15th day of the month or on Monday"),
        ("0 0 1-31 * MON", "At 00:00 every day"),
        ("15,45 9,17 * * 1", "At 09:15, 09:45, 17:15 and 17:45 on Monday"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("*/7 9-17 * * *", "At minute 0, 7, 14, 21, 28, 35, 42, 49 and 56 of hour 9 through 17"),
        ("30 */2 * 6-8 *", "At minute 30 of every 2nd hour (from 0) in June through August"),
        ("* * * * * *", "Every second"),
        ("*/10 5 * * * *", "Every 10 seconds of minute 5 of every hour"),
        ("* 9 * * *", "Every minute of hour 9"),
        ("@yearly", "At 00:00 on the 1st day of the month in January"),
    ],
)
def test_the_description_of_an_expression(expression: str, text: str) -> None:
    assert cron_text(expression) == text


class Field(NamedTuple):
    """A field as it is written, and the values that it has."""

    text: str
    values: frozenset[int]


def fields(low: int, high: int) -> st.SearchStrategy[Field]:
    number = st.integers(low, high)
    listed = st.lists(number, min_size=1, max_size=4)
    spans = st.tuples(number, number).map(sorted)
    return st.one_of(
        st.just(Field("*", frozenset(range(low, high + 1)))),
        st.integers(1, high).map(lambda step: Field(f"*/{step}", frozenset(range(low, high + 1, step)))),
        listed.map(lambda numbers: Field(",".join(map(str, numbers)), frozenset(numbers))),
        spans.map(lambda span: Field(f"{span[0]}-{span[1]}", frozenset(range(span[0], span[1] + 1)))),
    )


WEEKDAY_FIELDS = st.one_of(
    fields(0, 6),
    st.tuples(st.sampled_from(WEEKDAYS), st.integers(1, 5)).map(
        lambda each: Field(f"{each[0]}#{each[1]}", frozenset())
    ),
    st.sampled_from(WEEKDAYS).map(lambda day: Field(f"{day}L", frozenset())),
    st.sampled_from(
        [
            Field("mon-sun", frozenset(range(7))),
            Field("sat-sun", frozenset({6, 0})),
            Field("6-0", frozenset({6, 0})),
            Field("0,7", frozenset({0})),
            Field("5-7", frozenset({5, 6, 0})),
            Field("1-7/2", frozenset({1, 3, 5, 0})),
        ]
    ),
)
MONTH_DAY_FIELDS = st.one_of(fields(1, 31), st.sampled_from([Field("L", frozenset()), Field("1,L", frozenset({1}))]))


class Schedule(NamedTuple):
    """An expression as the test reads it."""

    second: Field
    minute: Field
    hour: Field
    month_day: Field
    month: Field
    weekday: Field

    @property
    def text(self) -> str:
        return " ".join(field.text for field in self)

    def has_day(self, day: datetime) -> bool:
        is_last = day.day == monthrange(day.year, day.month)[1]
        by_month = day.day in self.month_day.values or ("L" in self.month_day.text and is_last)
        by_week = self._has_weekday(day)
        either = not self.month_day.text.startswith("*") and not self.weekday.text.startswith("*")
        return day.month in self.month.values and (by_month or by_week if either else by_month and by_week)

    def _has_weekday(self, day: datetime) -> bool:
        name, _, n = self.weekday.text.partition("#")
        sunday_is_0 = (day.weekday() + 1) % 7
        if n:
            return WEEKDAYS[sunday_is_0] == name and (day.day - 1) // 7 + 1 == int(n)
        if name.endswith("L"):
            return WEEKDAYS[sunday_is_0] == name[:3] and day.day + 7 > monthrange(day.year, day.month)[1]
        return sunday_is_0 in self.weekday.values

    def has_time(self, time: datetime) -> bool:
        return time.hour in self.hour.values and time.minute in self.minute.values and time.second in self.second.values

    def times(self) -> Iterator[datetime]:
        """Some of its times of day, those at the ends among them."""
        for hour in {min(self.hour.values), max(self.hour.values)}:
            for minute in self.minute.values:
                for second in {min(self.second.values), max(self.second.values)}:
                    yield MIDNIGHT.replace(hour=hour, minute=minute, second=second)


SCHEDULES = st.builds(
    Schedule,
    st.one_of(st.just(Field("0", frozenset({0}))), fields(0, 59)),
    fields(0, 59),
    fields(0, 23),
    MONTH_DAY_FIELDS,
    st.one_of(st.just(Field("*", frozenset(range(1, 13)))), fields(1, 12)),
    WEEKDAY_FIELDS,
)
DAYS = [MIDNIGHT + timedelta(days=n) for n in range(3 * 366)]
TIMES = [MIDNIGHT + timedelta(seconds=n) for n in range(0, 86_400, 37)]


@given(SCHEDULES)
@settings(max_examples=150, deadline=None)
def test_the_description_names_the_times_of_the_expression(schedule: Schedule) -> None:
    try:
        parse(schedule.text)
    except CronError:  # it never fires
        return
    description = cron_text(schedule.text)
    expects = read(description)
    exact = list(schedule.times())
    for day in DAYS:
        assert expects(exact[0].replace(year=day.year, month=day.month, day=day.day)) == schedule.has_day(day), (
            description
        )
    for day in filter(schedule.has_day, DAYS):
        for time in [*TIMES, *exact]:
            moment = time.replace(year=day.year, month=day.month, day=day.day)
            assert expects(moment) == schedule.has_time(time), (schedule.text, description, moment)
        break


@pytest.mark.parametrize(
    ("expression", "notes"),
    [
        ("0 0 * * 1-5", []),
        ("*/15 */6 * */3 *", []),
        ("0 0 1-31 * MON", []),
        ("0 0 13 * FRI", ["Day of month and day of week are both given, and either is enough"]),
        ("0 0 L * MON#2", ["Day of month and day of week are both given, and either is enough"]),
        ("0 0 */2 * 1", ["A day must meet both", "*/2 counts days anew in each month"]),
        ("*/7 * * * *", ["*/7 counts minutes anew in each hour"]),
        ("0-59/45 * * * *", ["0-59/45 counts minutes anew in each hour"]),
        ("*/40 * * * * *", ["*/40 counts seconds anew in each minute"]),
        ("0 */5 * * *", ["*/5 counts hours anew in each day"]),
        ("0 0 * */5 *", ["*/5 counts months anew in each year"]),
        ("0 0 * * */2", ["*/2 counts days anew in each week"]),
    ],
)  # fmt: skip
def test_notes_on_what_may_surprise(expression: str, notes: list[str]) -> None:
    found = list(cron_notes(expression))
    assert len(found) == len(notes)
    assert all(text.startswith(note) for text, note in zip(found, notes, strict=True))


def test_a_note_on_steps_says_what_has_equal_intervals() -> None:
    [note] = cron_notes("*/7 * * * *")
    assert note.endswith('so the last interval is shorter; for equal ones write {"every": "PT7M"}')
