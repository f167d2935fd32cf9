"""The times of recurrence rules: compared with dateutil, example by example, and bounded in cost for hostile rules."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_common.domain.definition import Dst, Rrule
from duebook_common.domain.schedule import rrule_calendar, rrule_set
from duebook_common.domain.schedule.nominal import count_between, last_between, next_after, nominal_times
from duebook_common.domain.schedule.rrule import RruleError, parse
from duebook_common.domain.schedule.rrule_set import RecurrenceSet
from support.cost import cpu_seconds
from support.rules import any_rule, dateutil_times
from support.samples import DAY, NOW, a_definition

START = datetime.fromisoformat("2026-11-24T10:00:00")  # a Tuesday
MAX_COST = 0.05  # seconds of CPU time


def times(text: str, start: datetime = START) -> Iterator[datetime]:
    return (time for day in RecurrenceSet(parse(text), start).days_between(start) for time in day)


def first_times(text: str, count: int = 3, start: datetime = START) -> list[str]:
    return [shown(time) for time in islice(times(text, start), count)]


def shown(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}" + (f":{time:%S}" if time.second else "")


@pytest.mark.parametrize("seed", range(6))
def test_it_generates_the_times_that_another_implementation_generates(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        start = datetime.fromisoformat("2010-01-01") + timedelta(seconds=chance.randint(0, 20 * 365 * 86_400))
        text = any_rule(chance, start)
        ours = list(islice(times(text, start), 40))
        assert ours == list(islice(dateutil_times(text, start), len(ours))), (text, start)
        later = ours[len(ours) // 2] if ours else start
        days = RecurrenceSet(parse(text), start).days_between(later)
        assert [time for day in islice(days, 3) for time in day if time >= later][:3] == ours[len(ours) // 2 :][:3]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=MONTHLY;BYDAY=-1FR", ["2026-11-27 10:00", "2026-12-25 10:00", "2027-01-29 10:00"]),
        ("rrule:freq=daily", ["2026-11-24 10:00", "2026-11-25 10:00", "2026-11-26 10:00"]),
        ("FREQ=WEEKLY;INTERVAL=2", ["2026-11-24 10:00", "2026-12-08 10:00", "2026-12-22 10:00"]),
        ("FREQ=WEEKLY;BYDAY=MO", ["2026-11-30 10:00", "2026-12-07 10:00", "2026-12-14 10:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", ["2026-11-30 10:00", "2026-12-31 10:00", "2027-01-31 10:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", ["2026-12-31 10:00", "2027-01-31 10:00", "2027-03-31 10:00"]),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", ["2027-08-13 10:00", "2028-10-13 10:00", "2029-04-13 10:00"]),
        ("FREQ=YEARLY;BYDAY=MO,2TU;BYMONTH=1", ["2027-01-04 10:00", "2027-01-11 10:00", "2027-01-12 10:00"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", ["2028-02-29 10:00", "2032-02-29 10:00", "2036-02-29 10:00"]),
        ("FREQ=YEARLY;BYYEARDAY=-1", ["2026-12-31 10:00", "2027-12-31 10:00", "2028-12-31 10:00"]),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", ["2027-01-04 10:00", "2028-01-03 10:00", "2029-01-01 10:00"]),
        ("FREQ=YEARLY;BYWEEKNO=-53;BYDAY=SA", ["2032-01-03 10:00", "2037-01-03 10:00", "2043-01-03 10:00"]),
        ("FREQ=HOURLY;INTERVAL=6", ["2026-11-24 10:00", "2026-11-24 16:00", "2026-11-24 22:00"]),
        ("FREQ=HOURLY;BYHOUR=9,17;BYMINUTE=30", ["2026-11-24 17:30", "2026-11-25 09:30", "2026-11-25 17:30"]),
        ("FREQ=MINUTELY;INTERVAL=90", ["2026-11-24 10:00", "2026-11-24 11:30", "2026-11-24 13:00"]),
        ("FREQ=MINUTELY;BYSECOND=15,45", ["2026-11-24 10:00:15", "2026-11-24 10:00:45", "2026-11-24 10:01:15"]),
        ("FREQ=DAILY;BYHOUR=8,12,18;BYSETPOS=-1", ["2026-11-24 18:00", "2026-11-25 18:00", "2026-11-26 18:00"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ["2026-11-30 10:00", "2026-12-31 10:00", "2027-01-29 10:00"]),
        ("FREQ=WEEKLY;BYDAY=MO,WE;BYSETPOS=1", ["2026-11-30 10:00", "2026-12-07 10:00", "2026-12-14 10:00"]),
        ("FREQ=DAILY;COUNT=2", ["2026-11-24 10:00", "2026-11-25 10:00"]),
        ("FREQ=DAILY;UNTIL=20261125", ["2026-11-24 10:00", "2026-11-25 10:00"]),
        ("FREQ=DAILY;UNTIL=20261125T095959", ["2026-11-24 10:00"]),
    ],
)  # fmt: skip
def test_the_first_times_of_a_rule(rule: str, expected: list[str]) -> None:
    assert first_times(rule) == expected


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",  # from 2026 on never a leap year
        "FREQ=MINUTELY;INTERVAL=60;BYMINUTE=31",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=11",
        "FREQ=DAILY;INTERVAL=9996;BYDAY=MO,WE,TH,FR,SA,SU",  # a number of weeks, and it starts on a Tuesday
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=1,2,3;BYDAY=MO",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
        "FREQ=DAILY;UNTIL=20200101",
    ],
)
def test_a_rule_that_never_fires_has_an_empty_set(rule: str) -> None:
    assert first_times(rule) == []


@pytest.mark.parametrize("week", [1, 52, 53, -1, -52, -53])
def test_weeks_are_those_of_iso_8601_in_every_year(week: int) -> None:
    days = [START + n * DAY for n in range(399 * 365)]
    last = {year: datetime.fromisoformat(f"{year}-12-28").isocalendar().week for year in range(2026, 2427)}
    expected = (day for day in days if week in {(iso := day.isocalendar()).week, iso.week - last[iso.year] - 1})
    assert list(takewhile(lambda day: day <= days[-1], times(f"FREQ=YEARLY;BYWEEKNO={week}"))) == list(expected)


def test_parts_that_are_absent_come_from_the_start_to_the_microsecond() -> None:
    daily = a_definition(scheduled_at=NOW + timedelta(microseconds=7), recurrence=Rrule("FREQ=DAILY;COUNT=3"))
    assert list(nominal_times(daily)) == [daily.scheduled_at + n * DAY for n in range(3)]


def test_the_start_is_a_time_only_if_the_rule_generates_it() -> None:
    fridays = a_definition(recurrence=Rrule("FREQ=WEEKLY;BYDAY=FR;COUNT=2"))
    assert f"{NOW:%a}" == "Tue"
    assert list(nominal_times(fridays)) == [NOW + 3 * DAY, NOW + 10 * DAY]


def test_until_is_an_instant_in_utc_or_else_a_local_time() -> None:
    start = datetime(2027, 3, 26, 9, tzinfo=UTC)  # 10:00 in Berlin, and 8:00 UTC from the 28th on

    def last(until: str) -> datetime:
        job = a_definition(scheduled_at=start, timezone="Europe/Berlin", recurrence=Rrule(f"FREQ=DAILY;UNTIL={until}"))
        return list(nominal_times(job))[-1]

    assert last("20270328T080000Z").day == 28
    assert last("20270328T075959Z").day == 27
    assert last("20270328T100000").day == 28
    assert last("20270328T095959").day == 27


def test_count_counts_local_times_also_those_in_a_gap() -> None:
    def count(**dst: str) -> int:
        job = a_definition(
            scheduled_at=datetime(2027, 3, 27, 1, 30, tzinfo=UTC),
            timezone="Europe/Berlin",
            recurrence=Rrule("FREQ=DAILY;COUNT=3"),
            dst=Dst(**dst),  # type: ignore[arg-type]
        )
        return len(list(nominal_times(job)))

    assert (count(), count(gap="skip")) == (3, 2)


@pytest.mark.parametrize(
    "rule", ["FREQ=HOURLY", "FREQ=MINUTELY;INTERVAL=60", "FREQ=MINUTELY;BYHOUR=0,1,2,3,4;INTERVAL=60"]
)
def test_a_rule_without_certain_hours_runs_in_every_real_hour(rule: str) -> None:
    for start in (datetime(2027, 3, 27, 23, tzinfo=UTC), datetime(2027, 10, 30, 23, tzinfo=UTC)):
        job = a_definition(scheduled_at=start, timezone="Europe/Berlin", recurrence=Rrule(rule))
        assert list(islice(nominal_times(job), 4)) == [start + timedelta(hours=n) for n in range(4)]


def test_a_rule_with_certain_hours_keeps_them() -> None:
    job = a_definition(
        scheduled_at=datetime(2027, 3, 27, 23, tzinfo=UTC),
        timezone="Europe/Berlin",
        recurrence=Rrule("FREQ=HOURLY;BYHOUR=2;BYMINUTE=30"),
    )
    assert next_after(job, None) == datetime(2027, 3, 28, 1, tzinfo=UTC)  # 03:00, right after the gap


# --- cost --------------------------------------------------------------------------------------------------------


def some(low: int, high: int, most: int = 40) -> st.SearchStrategy[str]:
    return st.lists(st.integers(low, high), min_size=1, max_size=most).map(lambda n: ",".join(map(str, n)))


def days() -> st.SearchStrategy[str]:
    number = st.one_of(st.just(""), st.integers(-54, 54).map(str))
    day = st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])
    return st.lists(st.builds(lambda n, d: n + d, number, day), min_size=1, max_size=20).map(",".join)


PARTS = {
    "INTERVAL": st.sampled_from([1, 2, 7, 24, 25, 60, 193, 1439, 1440, 9996, 10_000]).map(str),
    "BYMONTH": some(1, 12, 3),
    "BYMONTHDAY": some(-31, 31) | st.sampled_from(["29", "30", "31", "-31"]),
    "BYYEARDAY": some(-366, 366) | st.just("366"),
    "BYWEEKNO": some(-53, 53) | st.just("53"),
    "BYDAY": days(),
    "BYHOUR": some(0, 23),
    "BYMINUTE": some(0, 59, 100),
    "BYSECOND": some(0, 59, 100),
    "BYSETPOS": some(-366, 366) | st.sampled_from(["366", "-366", "2"]),
    "WKST": st.sampled_from(["MO", "SU", "WE"]),
    "COUNT": st.sampled_from(["1", "1000"]),
    "UNTIL": st.sampled_from(["20271231", "99981231T000000Z", "19700101"]),
}


@st.composite
def hostile_rules(draw: st.DrawFn) -> str:
    """Rules that a client might send: most are valid, many generate times rarely or never."""
    freq = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]))
    chosen = draw(st.lists(st.sampled_from(sorted(PARTS)), unique=True, max_size=6))
    return ";".join([f"FREQ={freq}", *(f"{name}={draw(PARTS[name])}" for name in chosen)])


EVERY_SECOND = "BYHOUR={};BYMINUTE={};BYSECOND={}".format(
    *(",".join(map(str, range(size))) for size in (24, 60, 60)),
)
HOSTILE = [
    "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;BYHOUR=3;BYMINUTE=7",
    "FREQ=MINUTELY;INTERVAL=9999;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=HOURLY;INTERVAL=193;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=7;COUNT=1000",
    "FREQ=WEEKLY;BYMONTH=2;BYSETPOS=1;BYSECOND=1,2,3",
    "FREQ=YEARLY;BYYEARDAY=366;BYDAY=MO;BYSETPOS=-1",
    "FREQ=DAILY;INTERVAL=9996;BYDAY=MO,WE,TH,FR,SA,SU",
    "FREQ=MINUTELY;INTERVAL=60;BYMINUTE=31",
    f"FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;{EVERY_SECOND};BYSETPOS=-1",
    f"FREQ=DAILY;{EVERY_SECOND};BYSETPOS=366,-366",
]


def cost(text: str, start: datetime) -> float:
    """The CPU seconds of the most expensive request about a rule that no cache knows."""
    for cache in (parse, rrule_set.recurrence_set, rrule_calendar.year_mask):
        cache.cache_clear()
    job = a_definition(scheduled_at=start, recurrence=Rrule(text), timezone="America/St_Johns")
    window = (start, start + 365 * DAY)
    requests: list[Callable[[], object]] = [
        lambda: next_after(job, None),
        lambda: list(islice(nominal_times(job, start + 100 * DAY), 1000)),
        lambda: (count_between(job, *window), last_between(job, *window)),
    ]
    with suppress(RruleError):
        return max(map(cpu_seconds, requests))
    return cpu_seconds(lambda: refused(text))


def refused(text: str) -> None:
    with pytest.raises(RruleError):
        parse(text)


@settings(max_examples=250)
@given(hostile_rules(), st.sampled_from(["1970-01-01", "2026-11-24T10:00:05", "2027-02-28T23:59:59", "9990-12-31"]))
def test_no_rule_blocks_the_event_loop(text: str, start: str) -> None:
    time = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert any(cost(text, time) < MAX_COST for _ in range(3)), text  # caches of a busy processor cost some time too


@pytest.mark.parametrize("text", HOSTILE)
def test_rules_that_other_implementations_are_slow_at_cost_little(text: str) -> None:
    assert any(cost(text, NOW) < MAX_COST for _ in range(3)), cost(text, NOW)
