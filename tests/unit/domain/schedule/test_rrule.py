"""Parsing of recurrence rules: what is refused, and how the error says why."""

import pytest

from duebook_common.domain.schedule.rrule import RruleError, parse


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "NAME=VALUE"),
        ("FREQ=DAILY;", "NAME=VALUE"),
        ("INTERVAL=2", "FREQ is missing; a rule has one of FREQ=MINUTELY, HOURLY, DAILY"),
        ("FREQ=FORTNIGHTLY", '"FORTNIGHTLY" is not one of'),
        ("FREQ=SECONDLY", 'use {"every": "PT10S"}, or cron with seconds'),
        (
            "FREQ=DAILY;BYDAY=XX",
            'BYDAY: "XX" is not a weekday; use MO, TU, WE, TH, FR, SA, SU, with an optional',
        ),
        ("FREQ=MONTHLY;BYDAY=0MO", 'BYDAY: "0MO" has a wrong number'),
        ("FREQ=MONTHLY;BYDAY=6MO", "within a month use 1 to 5"),
        ("FREQ=WEEKLY;BYDAY=1MO", 'BYDAY: "1MO" counts the weekdays of a month or year; use it with FREQ=MONTHLY'),
        ("FREQ=YEARLY;BYWEEKNO=3;BYDAY=1MO", "leave out the number or BYWEEKNO"),
        ("FREQ=DAILY;BYHOUR=24", 'BYHOUR: "24" is not a number from 0 to 23'),
        ("FREQ=DAILY;BYHOUR=-1", 'BYHOUR: "-1" is not a number from 0 to 23'),
        ("FREQ=DAILY;BYHOUR=9,,10", 'BYHOUR: "" is not a number'),
        ("FREQ=DAILY;BYSECOND=60", 'BYSECOND: "60" is not a number from 0 to 59'),
        ("FREQ=MONTHLY;BYMONTHDAY=0", 'BYMONTHDAY: "0" is not a number from 1 to 31, or -1 to -31 from the end'),
        ("FREQ=YEARLY;BYMONTH=JAN", 'BYMONTH: "JAN" is not a number from 1 to 12'),
        ("FREQ=YEARLY;BYYEARDAY=367", 'BYYEARDAY: "367"'),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY counts the days of a year; use it with FREQ=YEARLY, not MONTHLY"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO counts the weeks of a year; use it with FREQ=YEARLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS selects among the times that other BY parts give"),
        ("FREQ=DAILY;WKST=MONDAY", 'WKST: "MONDAY" is not a weekday'),
        ("FREQ=DAILY;INTERVAL=0", 'INTERVAL: "0" is not a number from 1 to 10,000'),
        ("FREQ=DAILY;COUNT=1001", 'COUNT: "1001" is not a number from 1 to 1,000; for more use UNTIL'),
        ("FREQ=DAILY;COUNT=2;UNTIL=20271231", "COUNT and UNTIL exclude each other"),
        ("FREQ=DAILY;UNTIL=2027-12-31", 'UNTIL: "2027-12-31" is not a time; write a date \\(20271231\\)'),
        ("FREQ=DAILY;UNTIL=20270230", 'UNTIL: "20270230" is not a time'),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ appears twice"),
        ("FREQ=DAILY;BYEASTER=1", '"BYEASTER" is not a part of a rule; use FREQ, INTERVAL'),
        ("DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY", "DTSTART: a rule begins at the job's scheduled_at"),
        ("RRULE:FREQ=DAILY\nEXDATE:20260101", "EXDATE: dates cannot be taken out"),
        ("FREQ=DAILY;EXDATE=20260101", "EXDATE: dates cannot be taken out"),
        ("RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", '"RRULE:FREQ=WEEKLY": write one rule on one line'),
        ("FREQ=DAILY;BYHOUR=" + ",".join(["1"] * 2000), "at most 2,000 characters"),
        ("FREQ=DAILY;BYHOUR=\uff11", "is not a number from 0 to 23"),
    ],
)
def test_an_error_names_the_wrong_token_and_what_is_valid(rule: str, message: str) -> None:
    with pytest.raises(RruleError, match=message):
        parse(rule)
