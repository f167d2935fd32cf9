"""Expressions of other dialects: the refusal names the cause, and what to write instead, which is then accepted."""

import json
import re

import pytest

from duebook_common.domain.schedule import rrule
from duebook_common.domain.schedule.cron import CronError, parse
from duebook_common.domain.schedule.cron_hints import interval_of
from duebook_common.domain.schedule.recurrence_hints import meant

NEAREST = "W, the nearest working day, is not supported"


@pytest.mark.parametrize(
    ("expression", "cause", "instead"),
    [
        ("0 9, 17 * * *", "a field has no blanks in it", "0 9,17 * * *"),
        ("0 0 1,15 , 20 * *", "a field has no blanks in it", "0 0 1,15,20 * *"),
        ("1, 2, 3 * * * *", "a field has no blanks in it", "1,2,3 * * * *"),
        ("0 9 * * 1 - 5", "a field has no blanks in it", "0 9 * * 1-5"),
        ("*/ 5 * * * *", "a field has no blanks in it", "*/5 * * * *"),
        ("0 0 * * 1\u20135", "a range is written with a plain hyphen", "0 0 * * 1-5"),
        ("TZ=Europe/Berlin 0 9 * * *", 'and the field timezone: "Europe/Berlin"', "0 9 * * *"),
        ("CRON_TZ=UTC @daily", 'and the field timezone: "UTC"', "@daily"),
        ("cron(0 10 * * ? *)", "without cron( )", "0 10 * * *"),
        ("0 10 * * ? *", "a year is no field here", "0 10 * * *"),
        ("0 0 12 * * ? 2026", "a year is no field here", "0 0 12 * * *"),
        ("0 9 * * 1 2026-2028", "a year is no field here", "0 9 * * 1"),
        ("0 9 * * MON-FRI /usr/bin/backup --all", "a command does not belong", "0 9 * * MON-FRI"),
        ("daily", "or five fields", "@daily"),
        ("0 12 ? * MON *", "a year is no field here", "0 12 * * MON"),
        ("TZ=Europe/Berlin 0 9, 17 ? * *", 'and the field timezone: "Europe/Berlin"', "0 9,17 * * *"),
        ("0 9 * * * Europe/Berlin", 'and the field timezone: "Europe/Berlin"', "0 9 * * *"),
    ],
)
def test_another_dialect_is_refused_with_the_same_in_ours(expression: str, cause: str, instead: str) -> None:
    message = refusal(expression)
    assert cause in message
    assert f'write "{instead}"' in message or f'a year: "{instead}"' in message
    parse(instead)


@pytest.mark.parametrize(
    ("expression", "cause", "recurrence"),
    [
        ("@every 5m", "an interval is no cron expression", {"every": "PT5M"}),
        ("@every 1h30m", "an interval is no cron expression", {"every": "PT1H30M"}),
        ("rate(5 minutes)", "an interval is no cron expression", {"every": "PT5M"}),
        ("PT15M", "an interval is no cron expression", {"every": "PT15M"}),
        ("FREQ=DAILY", "this is a recurrence rule", {"rrule": "FREQ=DAILY"}),
        ("0 0 15W * *", f"'15W' is wrong for the day of month: {NEAREST}", "BYMONTHDAY=15,16,17;BYSETPOS=1"),
        ("0 0 1W,15W * *", f"'1W' is wrong for the day of month: {NEAREST}", "BYMONTHDAY=1,2,3;BYSETPOS=1"),
        ("0 0 31W * *", "for the last working day of the month", "BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),
        ("0 0 lw * *", "'LW' is wrong for the day of month: for the last working day", "BYSETPOS=-1"),
        ("0 0 L-3 * *", "'L-3' is wrong for the day of month: to count from the end", "BYMONTHDAY=-4"),
    ],
)
def test_what_cron_cannot_say_is_refused_with_a_recurrence_that_can(
    expression: str, cause: str, recurrence: dict[str, str] | str
) -> None:
    message = refusal(expression)
    assert cause in message
    found = re.search(r"write the recurrence (\{.*?\})", message)
    assert found is not None
    written = json.loads(found[1])
    assert written == recurrence if isinstance(recurrence, dict) else recurrence in written["rrule"]
    if "rrule" in written:
        rrule.parse(written["rrule"])


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 0 ? * *", "'?' is wrong for the day of month: write * instead"),
        ("0 0 * * ?", "'?' is wrong for the day of week: write * instead"),
        ("0 0 * * L", "'L' is wrong for the day of week: L takes a weekday before it, as in FRIL"),
        ("0 0 * * MON#L", "'MON#L' is wrong for the day of week: write MONL"),
        ("0 0 FRIL * *", "'FRIL' is wrong for the day of month: weekdays of the month"),
        ("0 0 MON#2 * *", "'MON#2' is wrong for the day of month: weekdays of the month"),
        ("L 0 * * *", "'L' is wrong for the minute: L is for the day of month"),
        ("0 0 * MON *", "'MON' is wrong for the month: weekdays belong into the last field"),
        ("0 0 Monday * *", "'MONDAY' is wrong for the day of month: weekdays belong into the last field"),
        ("0 0 JAN * *", "'JAN' is wrong for the day of month: months belong into the last field but one"),
        (
            "0 0 * * MONDAY-FRIDAY",
            "'MONDAY-FRIDAY' is wrong for the day of week: names have three letters; write MON-FRI",
        ),
        ("0 0 * JANUARY *", "names have three letters; write JAN"),
        ("0 9 * SEPT *", "names have three letters; write SEP"),
        ("0 9 * * mo-fr", "names have three letters; write MON-FRI"),
        ("0 9 * * MON,TUES", "names have three letters; write TUE"),
        ("0 0 LAST * *", "'LAST' is wrong for the day of month: write L for the last day"),
        ("0 0 1,,2 * *", "'' is wrong for the day of month: a comma has a value before and after it"),
        ("0 -5 * * *", "'-5' is wrong for the hour"),
        ("0 9 * * 7-1", "'7-1' is wrong for the day of week: a range ascends; write 0-1"),
        ("@every 90", 'write the recurrence such as {"every": "PT5M"}'),
        ("TZ=UTC", 'write the field timezone: "UTC"'),
        ("H 0 * * *", "'H' is wrong for the minute: H is of Jenkins; write a number"),
        ("@reboot", "'@reboot' is unknown; use one of @yearly"),
    ],
)
def test_the_field_at_fault_and_its_remedy(expression: str, message: str) -> None:
    assert message in refusal(expression)


def refusal(expression: str) -> str:
    with pytest.raises(CronError) as error:
        parse(expression)
    assert len(str(error.value)) < 300
    return str(error.value)


@pytest.mark.parametrize("expression", ["@daily", "@HOURLY", "0 0 * * MON-SUN", "0 0 L * FRIL", "*/5 * * * * *"])
def test_what_is_valid_needs_no_hint(expression: str) -> None:
    parse(expression)


@pytest.mark.parametrize(
    "text", ["", "5", "every", "every day", "5m5m", "m", "PT", "P", "P1Y", "5 parsecs", "x" * 9999]
)
def test_what_is_no_interval(text: str) -> None:
    assert interval_of(text) is None


@pytest.mark.parametrize("text", ["garbage", "0 2 * *", "mon 9:00", "(" * 500, "1 " * 9999, "*" * 9999])
def test_no_recurrence_is_guessed_from_other_texts(text: str) -> None:
    assert meant(text) is None
