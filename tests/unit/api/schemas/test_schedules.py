"""A fault in a schedule is reported with its pointer, the wrong value and what would be right."""

from datetime import UTC, datetime
from typing import Any

import pytest

from duebook_api.http.problems import Problem
from duebook_api.http.requests import validated
from duebook_api.schemas.first_times import must_name_a_time
from duebook_api.schemas.schedules import PreviewBody

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def fault(body: Any) -> tuple[str, str]:
    """Pointer and message of the only fault."""
    with pytest.raises(Problem) as raised:
        must_name_a_time(validated(PreviewBody, body).definition(NOW))
    (found,) = raised.value.faults
    return found.pointer, found.message


@pytest.mark.parametrize(
    ("recurrence", "pointer", "message"),
    [
        ("hourly", "", '"hourly" is not a recurrence; this version knows none, daily, weekly, {"cron": '),
        (None, "", "null is not a recurrence; this version knows none"),
        ([], "", "a list is not a recurrence; this version knows none"),
        ({}, "", "an object is not a recurrence; this version knows none"),
        ({"crn": "0 2 * * *"}, "", '"crn" is not a recurrence; this version knows none'),
        (
            {"cron": "@daily", "rrule": "FREQ=DAILY"},
            "",
            "a recurrence has exactly one of these members; this version knows none",
        ),
        ({"cron": 5}, "/cron", '5 is not a cron expression; write it like "0 2 * * 1-5"'),
        ({"cron": "61 * * * *"}, "/cron", "'61' is wrong for the minute: it takes numbers from 0 to 59"),
        ({"cron": "* * * *"}, "/cron", "an expression has five fields"),
        ({"cron": "0 0 31 2 *"}, "/cron", "'0 0 31 2 *' never fires"),
        ({"cron": "a" * 1001}, "/cron", "an expression has at most 1,000 characters"),
        ({"every": "15m"}, "/every", '"15m" is not a duration; write it like PT90S, PT15M or P1D'),
        ({"every": 15}, "/every", "15 is not a duration; write it like PT90S"),
        ({"every": "P1M"}, "/every", "without months and years"),
        ({"every": "PT0S"}, "/every", "an interval must be at least PT1S"),
        ({"every": "P9999999999999D"}, "/every", "a duration is between PT0S and P36500D"),
        ({"rrule": ["FREQ=DAILY", "FREQ=WEEKLY"]}, "/rrule", "a list is not a rule; write it like"),
        ({"rrule": "FREQ=DAILY;BYDAY=XX"}, "/rrule", 'BYDAY: "XX" is not a weekday; use MO, TU'),
        ({"rrule": "FREQ=SECONDLY"}, "/rrule", 'FREQ: "SECONDLY" is too frequent for a rule; use {"every": "PT10S"}'),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "/rrule", "never fires: it names no time within 400 years"),
        ({"rrule": "FREQ=WEEKLY;UNTIL=20261124T095959Z"}, "/rrule", "UNTIL is before 2026-11-24T10:00:00Z"),
        ({"rrule": "UNTIL=20261124;FREQ=WEEKLY;BYDAY=FR"}, "/rrule", "UNTIL is before 2026-11-27T10:00:00Z"),
    ],
)
def test_a_wrong_recurrence(recurrence: Any, pointer: str, message: str) -> None:
    found_pointer, found_message = fault({"recurrence": recurrence})
    assert found_pointer == f"/recurrence{pointer}"
    assert message in found_message


SKIPPED = {"timezone": "Europe/Berlin", "dst": {"gap": "skip"}}
RULE = "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30"


@pytest.mark.parametrize(
    ("body", "pointer", "message"),
    [
        (SKIPPED | {"recurrence": {"cron": "30 2 * 3 SUNL"}}, "/recurrence/cron", "skip all of its times, and dst.gap"),
        (SKIPPED | {"recurrence": {"rrule": RULE}}, "/recurrence/rrule", "the clocks in Europe/Berlin skip all of its"),
        (
            SKIPPED | {"recurrence": {"cron": "30 2 * 3 SUNL"}, "ends_at": "2090-01-01T00:00:00Z"},
            "/recurrence/cron",
            "use run_after, or another time of day",
        ),
        (
            {"recurrence": {"cron": "0 0 29 2 *"}, "scheduled_at": "9997-01-01T00:00:00Z"},
            "/recurrence/cron",
            '"0 0 29 2 *" never fires: it names no time from scheduled_at to the end of the year 9999',
        ),
        ({"recurrence": {"cron": "@yearly"}, "scheduled_at": "9998-12-31T23:59:59Z"}, None, ""),
        (SKIPPED | {"recurrence": {"cron": "30 2 * 3 SUN"}}, None, ""),
    ],
)
def test_a_schedule_that_never_fires(body: Any, pointer: str | None, message: str) -> None:
    if pointer is None:
        must_name_a_time(validated(PreviewBody, body).definition(NOW))
        return
    found_pointer, found_message = fault(body)
    assert found_pointer == pointer
    assert message in found_message


@pytest.mark.parametrize(
    ("body", "pointer", "message"),
    [
        ({"timezone": "Europe/Berln"}, "/timezone", '"Europe/Berln" is not a time zone; use an IANA name like'),
        ({"timezone": "berlin"}, "/timezone", '"berlin" is not a time zone; did you mean Europe/Berlin?'),
        ({"timezone": "america/new_york"}, "/timezone", "did you mean America/New_York?"),
        ({"timezone": "+01:00"}, "/timezone", '"+01:00" is not a time zone'),
        ({"timezone": "localtime"}, "/timezone", '"localtime" is not a time zone'),
        ({"timezone": 5}, "/timezone", "this must be a string"),
        ({"dst": "skip"}, "/dst", "this must be an object"),
        ({"dst": {"gap": "later"}}, "/dst/gap", '"later" is unknown; this version knows run_after, skip'),
        ({"dst": {"fold": None}}, "/dst/fold", "null is unknown; this version knows first, second, both"),
        ({"dst": {"overlap": "skip"}}, "/dst/overlap", "there is no such field"),
        ({"ends_at": "2027-01-01T00:00:00"}, "/ends_at", '"2027-01-01T00:00:00" is not a time; write it like'),
        ({"ends_at": "2027-02-30T00:00:00Z"}, "/ends_at", "does not exist; check its date"),
        ({"ends_at": "2026-11-24T09:59:59Z"}, "/ends_at", "this is before scheduled_at"),
        ({"ends_at": "2026-11-25T00:00:00Z", "recurrence": {"cron": "@yearly"}}, "/ends_at", "names no time"),
        ({"ends_at": "2026-11-25T00:00:00Z", "recurrence": {"rrule": "FREQ=WEEKLY;BYDAY=FR"}}, "/ends_at", "no time"),
        ({"scheduled_at": "now"}, "/scheduled_at", '"now" is not a time; write it like 2026-11-24T02:00:00+01:00'),
    ],
)
def test_a_wrong_zone_policy_or_time(body: Any, pointer: str, message: str) -> None:
    found_pointer, found_message = fault(body)
    assert found_pointer == pointer
    assert message in found_message
