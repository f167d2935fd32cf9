"""Cron expressions, compared with another implementation (cronsim) and example by example."""

import random
from datetime import datetime
from itertools import islice

import pytest
from cronsim import CronSim

from duebook_common.domain.schedule.cron import CronError, parse
from support.expressions import any_expression

START = datetime.fromisoformat("2026-11-24T10:17:30")


def next_times(expression: str, start: datetime = START, count: int = 3) -> list[str]:
    later = (time for day in parse(expression).days_between(start) for time in day if time > start)
    return [shown(time) for time in islice(later, count)]


def shown(time: datetime) -> str:
    return f"{time:%a %Y-%m-%d %H:%M}" + (f":{time:%S}" if time.second else "")


@pytest.mark.parametrize("seed", range(8))
def test_it_matches_the_times_that_another_implementation_matches(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        text, start = (
            any_expression(chance),
            START.replace(year=2026 + chance.randint(0, 80), month=chance.randint(1, 12)),
        )
        expected = list(islice(CronSim(text, start), 20))
        if not expected:
            with pytest.raises(CronError, match="never fires"):
                parse(text)
        else:
            assert next_times(text, start, 20) == [shown(time) for time in expected], text


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("0 2 * * 1-5", ["Wed 2026-11-25 02:00", "Thu 2026-11-26 02:00", "Fri 2026-11-27 02:00"]),
        ("*/20 10 * * *", ["Tue 2026-11-24 10:20", "Tue 2026-11-24 10:40", "Wed 2026-11-25 10:00"]),
        ("15,45 30 10 * * *", ["Tue 2026-11-24 10:30:15", "Tue 2026-11-24 10:30:45", "Wed 2026-11-25 10:30:15"]),
        ("@hourly", ["Tue 2026-11-24 11:00", "Tue 2026-11-24 12:00", "Tue 2026-11-24 13:00"]),
        ("@Monthly", ["Tue 2026-12-01 00:00", "Fri 2027-01-01 00:00", "Mon 2027-02-01 00:00"]),
        ("0 0 l * *", ["Mon 2026-11-30 00:00", "Thu 2026-12-31 00:00", "Sun 2027-01-31 00:00"]),
        ("0 0 15,L feb *", ["Mon 2027-02-15 00:00", "Sun 2027-02-28 00:00", "Tue 2028-02-15 00:00"]),
        ("0 0 * * 5L", ["Fri 2026-11-27 00:00", "Fri 2026-12-25 00:00", "Fri 2027-01-29 00:00"]),
        ("0 0 * * MON#2", ["Mon 2026-12-14 00:00", "Mon 2027-01-11 00:00", "Mon 2027-02-08 00:00"]),
        ("0 0 * * FRI-SUN", ["Fri 2026-11-27 00:00", "Sat 2026-11-28 00:00", "Sun 2026-11-29 00:00"]),
        ("0 10-10/3 * * *", ["Wed 2026-11-25 10:00", "Thu 2026-11-26 10:00", "Fri 2026-11-27 10:00"]),
        ("0 0 1 DEC-12/5 *", ["Tue 2026-12-01 00:00", "Wed 2027-12-01 00:00", "Fri 2028-12-01 00:00"]),
        ("0 0 * * 7", ["Sun 2026-11-29 00:00", "Sun 2026-12-06 00:00", "Sun 2026-12-13 00:00"]),
        ("0 0 1 * MON", ["Mon 2026-11-30 00:00", "Tue 2026-12-01 00:00", "Mon 2026-12-07 00:00"]),  # either
        ("0 0 29 2 *", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00", "Fri 2036-02-29 00:00"]),
    ],
)
def test_the_times_that_an_expression_matches(expression: str, times: list[str]) -> None:
    assert next_times(expression) == times


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6 *", "never fires"),
        ("* * * *", "an expression has five fields"),
        ("", "this one has 0"),
        ("60 * * * *", "'60' is wrong for the minute"),
        ("0 24 * * *", "'24' is wrong for the hour"),
        ("0 0 15W * *", "'15W' is wrong for the day of month"),
        ("0 0 ? * *", r"'\?' is wrong for the day of month"),
        ("H 0 * * *", "'H' is wrong for the minute"),
        ("0 0 * FOO *", "'FOO' is wrong for the month.*JAN"),
        ("0 0 * * MON#6", "# takes a number from 1 to 5"),
        ("30-10 * * * *", "a range ascends"),
        ("5/15 * * * *", "a step needs a range before it, as in 5-59/15"),
        ("*/0 * * * *", "a step is a number from 1"),
        ("*/5/5 * * * *", "a step is a number"),
        ("@reboot", "'@reboot' is unknown"),
        ("\uff11 * * * *", "is wrong for the minute"),
    ],
)
def test_an_error_names_the_wrong_token_and_what_is_valid(expression: str, message: str) -> None:
    with pytest.raises(CronError, match=message):
        parse(expression)


@pytest.mark.parametrize("span", ["5", "59"])
def test_what_an_error_says_to_write_instead_of_a_lone_step_is_accepted(span: str) -> None:
    with pytest.raises(CronError) as refused:
        parse(f"{span}/15 * * * *")
    written = str(refused.value).rpartition("as in ")[2]
    assert parse(f"{written} * * * *").minutes[0] == int(span) * 60
