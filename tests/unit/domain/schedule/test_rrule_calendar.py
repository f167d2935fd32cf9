"""The days that match the BY-day parts of a rule."""

from datetime import date, datetime

import pytest

from duebook_common.domain.schedule.rrule import parse
from duebook_common.domain.schedule.rrule_calendar import MatchingDays, day_filter, year_mask

START = datetime.fromisoformat("2026-11-24T10:00:00")  # a Tuesday


def days(rule: str, first: str, last: str) -> list[str]:
    span = range(date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal() + 1)
    matching = MatchingDays(day_filter(parse(rule), START)).within(span)
    return [f"{date.fromordinal(day):%a %d %b}" for year in matching for day in year]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=DAILY;BYDAY=FR;BYMONTHDAY=13", ["Fri 13 Nov"]),
        ("FREQ=MONTHLY", ["Sat 24 Oct", "Tue 24 Nov"]),
        ("FREQ=WEEKLY;BYMONTH=11", ["Tue 03 Nov", "Tue 10 Nov", "Tue 17 Nov", "Tue 24 Nov"]),
        ("FREQ=YEARLY", ["Tue 24 Nov"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", ["Sat 31 Oct", "Mon 30 Nov"]),
        ("FREQ=MONTHLY;BYDAY=2MO,-1FR", ["Mon 12 Oct", "Fri 30 Oct", "Mon 09 Nov", "Fri 27 Nov"]),
        ("FREQ=YEARLY;BYDAY=45SU", ["Sun 08 Nov"]),
        ("FREQ=YEARLY;BYWEEKNO=45;BYDAY=MO,TU", ["Mon 02 Nov", "Tue 03 Nov"]),
        ("FREQ=YEARLY;BYYEARDAY=300,-60", ["Tue 27 Oct", "Mon 02 Nov"]),
    ],
)
def test_the_matching_days_of_two_months(rule: str, expected: list[str]) -> None:
    assert days(rule, "2026-10-01", "2026-11-30") == expected


def test_a_range_may_span_years() -> None:
    assert days("FREQ=DAILY;BYDAY=TH", "2026-12-30", "2027-01-08") == ["Thu 31 Dec", "Thu 07 Jan"]
    assert days("FREQ=DAILY;BYMONTH=6", "2026-12-30", "2027-01-08") == []


def test_a_year_or_month_has_its_days_and_the_number_that_match() -> None:
    mondays = MatchingDays(day_filter(parse("FREQ=WEEKLY;BYDAY=MO"), START))
    year, february = date(2028, 1, 1).toordinal(), date(2028, 2, 1).toordinal()
    assert mondays.year(2028) == (range(year, year + 366), 52)
    assert mondays.month(2028, 1) == (range(february, february + 29), 4)


@pytest.mark.parametrize(
    "rule", ["FREQ=YEARLY;BYWEEKNO=1,53,-1", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=YEARLY;BYYEARDAY=-1"]
)
def test_years_of_one_kind_have_one_mask(rule: str) -> None:
    """The masks of sample years stand for all years, so each year's own mask must be the same."""
    filter_ = day_filter(parse(rule), START)
    matching = MatchingDays(filter_)
    for year in (1970, 1999, 2000, 2100, 2399, 2400, 9998):
        span, count = matching.year(year)
        own = year_mask(filter_, year)
        assert (len(span), count) == (len(own), own.count(1))
        assert [day - span[0] for days in matching.within(span) for day in days] == [
            n for n, bit in enumerate(own) if bit
        ]
