"""A fault in a schedule is reported with its pointer, the wrong value and what would be right."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

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
        ("often", "", '"often" is not a recurrence; this version knows none, daily, weekly, {"cron": '),
        ("hourly", "", '"hourly" is not a recurrence; write {"every": "PT1H"}; this version knows none'),
        ("30 2 * * *", "", '"30 2 * * *" is not a recurrence; write {"cron": "30 2 * * *"}'),
        ("@daily", "", 'write {"cron": "@daily"}'),
        ("PT5M", "", 'write {"every": "PT5M"}'),
        ("every 5 minutes", "", 'write {"every": "PT5M"}'),
        ("FREQ=DAILY", "", 'write {"rrule": "FREQ=DAILY"}'),
        ("Weekly", "", 'write "weekly"'),
        ({"rrule": "0 2 * * *"}, "/rrule", '"0 2 * * *" is not a rule; write the recurrence {"cron": "0 2 * * *"}'),
        ({"rrule": "daily"}, "/rrule", '"daily" is not a rule; write the recurrence "daily"'),
        ({"cron": "@every 5m"}, "/cron", 'an interval is no cron expression; write the recurrence {"every": "PT5M"}'),
        ({"cron": "0 9, 17 * * *"}, "/cron", 'a field has no blanks in it; write "0 9,17 * * *"'),
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
        (
            {"timezone": "Europe/Berlin", "recurrence": {"cron": "*/30 2 28 3 */7"}},
            "/recurrence/cron",
            "skip all of its times, and without a certain minute and hour these are left out; give both",
        ),
        (
            {
                "timezone": "Europe/Berlin",
                "recurrence": {"rrule": "FREQ=MINUTELY;BYHOUR=2;BYMONTHDAY=28;BYDAY=SU;BYMONTH=3"},
            },
            "/recurrence/rrule",
            "skip all of its times, and without a certain minute and hour these are left out; give both",
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
        ({"timezone": "+01:00"}, "/timezone", '"+01:00" is not a time zone; use Etc/GMT-1, which is 1 h ahead of UTC'),
        (
            {"timezone": "GMT+5"},
            "/timezone",
            "use Etc/GMT-5, which is 5 h ahead of UTC, because the sign in these names",
        ),
        ({"timezone": "UTC-03"}, "/timezone", "use Etc/GMT+3, which is 3 h behind UTC"),
        ({"timezone": "Etc/GMT-05"}, "/timezone", "use Etc/GMT-5, which is 5 h ahead of UTC"),
        ({"timezone": "GMT+05:30"}, "/timezone", "use an IANA name like Asia/Kolkata, which has this offset"),
        ({"timezone": "UTC+15"}, "/timezone", "use an IANA name like Europe/Berlin"),
        ({"timezone": "UTC+0"}, "/timezone", "use UTC"),
        ({"timezone": "z"}, "/timezone", "use UTC"),
        (
            {"timezone": "CEST"},
            "/timezone",
            "abbreviations are ambiguous and leave out DST; use an IANA name like Europe",
        ),
        ({"timezone": "new york"}, "/timezone", "did you mean America/New_York?"),
        ({"timezone": " "}, "/timezone", '" " is not a time zone; use an IANA name like'),
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


@pytest.mark.parametrize("text", [" Europe/Berlin", "Europe/Berlin\t", "\nEurope/Berlin "])
def test_blanks_around_a_time_zone_are_left_out(text: str) -> None:
    assert validated(PreviewBody, {"timezone": text}).timezone == "Europe/Berlin"


@pytest.mark.parametrize("hours", range(-12, 15))
def test_a_zone_that_a_refusal_of_an_offset_names_has_this_offset(hours: int) -> None:
    for text in (f"GMT{hours:+}", f"UTC {hours:+03}", f"{hours:+03}:00"):
        if text in available_timezones():
            continue
        _, message = fault({"timezone": text})
        name = message.partition("use ")[2].split(",")[0]
        assert NOW.astimezone(ZoneInfo(name)).utcoffset() == timedelta(hours=hours)
