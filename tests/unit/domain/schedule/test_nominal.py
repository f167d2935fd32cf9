"""Nominal times, compared with an oracle that lists what the zone's clocks show in each minute."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_common.domain.definition import Cron, Definition, Dst, Every, Recurrence
from duebook_common.domain.schedule.nominal import (
    chunks_between,
    count_between,
    last_between,
    last_of_both,
    next_after,
    nominal_times,
)
from support.cost import cpu_seconds
from support.samples import DAY, HOUR, MINUTE, NOW, SECOND, a_definition

# A zone, and a day (UTC) near which it has a transition: every kind of transition that has happened.
CHANGES = [
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 5, tzinfo=UTC)),  # half an hour
    ("Australia/Lord_Howe", datetime(2026, 10, 4, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2026, 3, 29, tzinfo=UTC)),  # at midnight, so that a day begins at 01:00
    ("Asia/Beirut", datetime(2025, 10, 26, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),  # there was no such day
    ("America/Sao_Paulo", datetime(2018, 2, 18, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(1986, 1, 1, tzinfo=UTC)),  # a quarter of an hour, once
    ("Antarctica/Troll", datetime(2026, 3, 29, tzinfo=UTC)),  # two hours
    ("Europe/Dublin", datetime(2026, 10, 25, tzinfo=UTC)),  # winter is the exception there
    ("UTC", datetime(2026, 3, 29, tzinfo=UTC)),
]
AROUND = 4 * DAY
STEPS = {"daily": DAY, "weekly": 7 * DAY}


@cache
def clock(name: str, middle: datetime) -> list[tuple[datetime, datetime]]:
    """(instant, local time) for each minute near the middle."""
    zone = ZoneInfo(name)
    minutes = int(2 * (AROUND + 3 * DAY) / MINUTE)
    instants = (middle - AROUND - 3 * DAY + n * MINUTE for n in range(minutes))
    return [(instant, instant.astimezone(zone).replace(tzinfo=None, fold=0)) for instant in instants]


@cache
def shown(name: str, middle: datetime) -> dict[datetime, list[datetime]]:
    """The instants at which the clocks show a local time."""
    found = defaultdict(list)
    for instant, local in clock(name, middle):
        found[local].append(instant)
    return found


def oracle(definition: Definition, middle: datetime) -> list[datetime]:
    """The times of the recurrence within `AROUND` of the middle that are later than its first."""
    name, first = definition.timezone, definition.scheduled_at
    local_start = first.astimezone(ZoneInfo(name)).replace(tzinfo=None, fold=0)
    rest = timedelta(seconds=local_start.second, microseconds=local_start.microsecond)
    times = set()
    for day in range(-AROUND // DAY - 1, AROUND // DAY + 2):  # calendar days, also those that the clocks skip
        date = middle + day * DAY
        minute = local_start.replace(year=date.year, month=date.month, day=date.day) - rest
        times |= _on(minute, rest, local_start, definition)
    return sorted(time for time in times if first < time and abs(time - middle) <= AROUND)


def _on(minute: datetime, rest: timedelta, local_start: datetime, definition: Definition) -> set[datetime]:
    name, middle, dst = definition.timezone, _middle(definition), definition.dst
    if (minute + rest - local_start) % STEPS[str(definition.recurrence)]:
        return set()
    instants = shown(name, middle).get(minute, [])
    if not instants:
        if dst.gap == "skip":
            return set()
        return {next(instant for instant, local in clock(name, middle) if local > minute)}
    chosen = {"first": instants[:1], "second": instants[-1:], "both": instants}[dst.fold]
    return {instant + rest for instant in chosen}


def _middle(definition: Definition) -> datetime:
    assert definition.metadata
    middle: datetime = definition.metadata["middle"]
    return middle


@st.composite
def schedules(draw: st.DrawFn) -> Definition:
    """A series that starts up to seven weeks before a transition, most often at an hour that it affects."""
    name, middle = draw(st.sampled_from(CHANGES))
    minute = draw(st.integers(0, 24 * 60 - 1) | st.integers(0, 3 * 60) | st.sampled_from([0, 60, 120, 150, 180, 1410]))
    local = datetime(middle.year, middle.month, middle.day) + minute * MINUTE - draw(st.integers(-1, 50)) * DAY  # noqa: DTZ001
    local += draw(st.sampled_from([timedelta(0), 30 * SECOND, timedelta(microseconds=1)]))
    return a_definition(
        scheduled_at=local.replace(tzinfo=ZoneInfo(name), fold=draw(st.integers(0, 1))).astimezone(UTC),
        timezone=name,
        recurrence=draw(st.sampled_from(["daily", "weekly"])),
        dst=Dst(draw(st.sampled_from(["run_after", "skip"])), draw(st.sampled_from(["first", "second", "both"]))),
        metadata={"middle": middle},
    )


@settings(deadline=None, max_examples=150)
@given(schedules())
def test_a_series_keeps_its_local_time_across_transitions(definition: Definition) -> None:
    middle = _middle(definition)
    recurring = (time for time in nominal_times(definition) if time > definition.scheduled_at)
    around = takewhile(lambda time: time <= middle + AROUND, recurring)
    assert [time for time in around if time >= middle - AROUND] == oracle(definition, middle)


@settings(deadline=None, max_examples=100)
@given(schedules(), st.timedeltas(-60 * DAY, 60 * DAY), st.none() | st.timedeltas(-DAY, 40 * DAY))
def test_a_series_from_any_instant_on_is_the_rest_of_the_whole(
    definition: Definition, offset: timedelta, ends: timedelta | None
) -> None:
    if ends is not None:
        definition = replace(definition, ends_at=definition.scheduled_at + ends)
    after = definition.scheduled_at + offset
    bounded = list(takewhile(lambda time: time <= after + 20 * DAY, nominal_times(definition)))
    later = takewhile(lambda time: time <= after + 20 * DAY, nominal_times(definition, after))
    assert list(later) == [time for time in bounded if time > after]


@settings(deadline=None, max_examples=50)
@given(schedules())
def test_repeated_next_after_yields_the_whole_series(definition: Definition) -> None:
    walked: list[datetime] = []
    for _ in range(60):
        following = next_after(definition, walked[-1] if walked else None)
        assert following is not None
        walked.append(following)
    assert walked == list(islice(nominal_times(definition), 60))
    assert all(earlier < later for earlier, later in pairwise(walked))
    assert all(time.tzinfo is UTC for time in walked)


def times(zone: str, first: str, count: int, step: Literal["daily", "weekly"] = "daily", **dst: Any) -> list[str]:
    """The first nominal times in local time with their offsets."""
    definition = a_definition(
        scheduled_at=datetime.fromisoformat(first), timezone=zone, recurrence=step, dst=Dst(**dst)
    )
    return [t.astimezone(ZoneInfo(zone)).isoformat() for t in islice(nominal_times(definition), count)]


def test_a_time_in_a_gap_runs_at_the_first_instant_after_it() -> None:
    assert times("America/New_York", "2026-03-07T02:30:00-05:00", 3) == [
        "2026-03-07T02:30:00-05:00",
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:30:00-04:00",
    ]
    assert times("Asia/Beirut", "2026-03-22T00:00:00+02:00", 3, "weekly") == [
        "2026-03-22T00:00:00+02:00",
        "2026-03-29T01:00:00+03:00",
        "2026-04-05T00:00:00+03:00",
    ]


def test_a_time_in_a_gap_can_be_left_out() -> None:
    assert times("America/New_York", "2026-03-07T02:30:00-05:00", 2, gap="skip") == [
        "2026-03-07T02:30:00-05:00",
        "2026-03-09T02:30:00-04:00",
    ]


@pytest.mark.parametrize(
    ("fold", "offsets"),
    [("first", ["+11:00"]), ("second", ["+10:30"]), ("both", ["+11:00", "+10:30"])],
)
def test_a_time_in_a_fold_runs_as_the_policy_says(fold: str, offsets: list[str]) -> None:
    assert times("Australia/Lord_Howe", "2026-04-04T01:45:00+11:00", 2 + len(offsets), fold=fold) == [
        "2026-04-04T01:45:00+11:00",
        *(f"2026-04-05T01:45:00{offset}" for offset in offsets),
        "2026-04-06T01:45:00+10:30",
    ]


def test_a_day_that_the_clocks_skip_runs_once_at_the_start_of_the_next() -> None:
    assert times("Pacific/Apia", "2011-12-29T10:00:00-10:00", 3) == [
        "2011-12-29T10:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
        "2011-12-31T10:00:00+14:00",
    ]
    assert times("Pacific/Apia", "2011-12-29T00:00:00-10:00", 3) == [
        "2011-12-29T00:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
        "2012-01-01T00:00:00+14:00",
    ]


@pytest.mark.parametrize("fold", ["first", "second", "both"])
def test_a_series_that_starts_in_the_second_pass_of_a_fold_keeps_its_start(fold: str) -> None:
    assert times("America/New_York", "2026-11-01T01:30:00-05:00", 2, fold=fold) == [
        "2026-11-01T01:30:00-05:00",
        "2026-11-02T01:30:00-05:00",
    ]


def test_a_one_off_has_one_nominal_time() -> None:
    once = a_definition(timezone="Europe/Berlin")
    assert list(nominal_times(once)) == [NOW]
    assert next_after(once, NOW - SECOND) == NOW
    assert next_after(once, NOW) is None


def test_ends_at_itself_may_be_a_nominal_time() -> None:
    ending = a_definition(recurrence="daily", ends_at=NOW + 2 * DAY)
    assert list(nominal_times(ending)) == [NOW, NOW + DAY, NOW + 2 * DAY]
    assert next_after(ending, NOW + 2 * DAY) is None
    assert next_after(a_definition(recurrence="daily", ends_at=NOW - SECOND), None) is None


def test_a_series_ends_with_the_year_9999() -> None:
    for zone in ("Asia/Kathmandu", "America/New_York"):
        last = a_definition(scheduled_at=datetime(9998, 12, 1, tzinfo=UTC), recurrence="daily", timezone=zone)
        found = list(nominal_times(last))
        assert len(found) > 390
        assert next_after(last, found[-1]) is None


@pytest.mark.parametrize("recurrence", ["daily", Cron("* * * * * *"), Every(SECOND)])
def test_a_distant_time_is_found_without_a_walk_to_it(recurrence: Recurrence) -> None:
    """A walk over 100,000 days takes some tenths of a second of CPU time, a jump to it less than a millisecond."""
    series = a_definition(recurrence=recurrence, timezone="Asia/Kathmandu")
    distant = NOW + 100_000 * DAY - MINUTE
    assert next_after(series, distant) is not None
    assert cpu_seconds(lambda: next_after(series, distant)) < 0.1


@pytest.mark.parametrize(
    "recurrence", ["none", "weekly", "daily", Cron("*/20 * * * *"), Cron("15,45 2 * * *"), Every(HOUR)]
)
@pytest.mark.parametrize("dst", [Dst("run_after", "first"), Dst("skip", "both")])
def test_count_and_last_agree_with_a_walk_through_the_times(recurrence: Recurrence, dst: Dst) -> None:
    series = a_definition(
        recurrence=recurrence, timezone="America/St_Johns", dst=dst, scheduled_at=NOW - 400 * DAY, ends_at=NOW
    )
    for first, last in [(-500, -300), (-400, -400), (-230, -40), (-30, 300), (1, 2), (2, 1)]:
        walked = [t for t in nominal_times(series) if NOW + first * DAY <= t <= NOW + last * DAY]
        assert count_between(series, NOW + first * DAY, NOW + last * DAY) == len(walked)
        assert last_between(series, NOW + first * DAY, NOW + last * DAY) == (walked[-1] if walked else None)


SECONDS_OF_A_YEAR = 365 * 86_400


@pytest.mark.parametrize("recurrence", [Every(SECOND), Cron("* * * * * *"), Cron("0-59 0-59 0-23 * * *")])
def test_a_year_of_seconds_is_counted_by_the_day(recurrence: Recurrence) -> None:
    """A walk through 31 million times takes many seconds of CPU time, one step a day some milliseconds."""
    series = a_definition(recurrence=recurrence, timezone="America/New_York", dst=Dst("skip", "both"))
    first, last = NOW, NOW + 365 * DAY - SECOND
    chunks = list(chunks_between(series, first, last))
    assert sum(map(len, chunks)) == SECONDS_OF_A_YEAR
    assert len(chunks) <= 365 + 4  # one a day, one more for each part of a day that a transition divides
    assert count_between(series, first, last) == SECONDS_OF_A_YEAR
    assert cpu_seconds(lambda: count_between(series, first, last)) < 1


@pytest.mark.parametrize("other", ["daily", "weekly", "none", Every(36 * HOUR), Every(7 * MINUTE), Cron("0 3 * * *")])
@pytest.mark.parametrize("one", ["daily", Every(12 * HOUR), Every(HOUR)])
def test_the_last_time_of_both_is_the_last_that_both_name(one: Recurrence, other: Recurrence) -> None:
    first, second = a_definition(recurrence=one), a_definition(recurrence=other)
    for start, end in ((NOW - DAY, NOW + 20 * DAY), (NOW + SECOND, NOW + 5 * DAY), (NOW + DAY, NOW)):
        named = [{t for chunk in chunks_between(each, start, end) for t in chunk} for each in (first, second)]
        assert last_of_both(first, second, start, end) == max(named[0] & named[1], default=None)
        assert last_of_both(second, first, start, end) == max(named[0] & named[1], default=None)


def test_of_a_year_of_seconds_no_time_is_compared() -> None:
    """A clock that was set back by a year must stop no process."""
    one, other = a_definition(recurrence=Every(SECOND)), a_definition(recurrence=Every(2 * SECOND))
    end = NOW + 365 * DAY
    assert last_of_both(one, other, NOW, end) == end
    assert cpu_seconds(lambda: last_of_both(one, other, NOW, end)) < 1


def test_a_first_time_that_is_far_off_lets_no_time_of_the_other_be_looked_at() -> None:
    """A change of a job whose time lies in another century must stop no process."""
    far = NOW + 300 * 365 * DAY
    one, other = a_definition(recurrence="none", scheduled_at=far), a_definition(recurrence=Cron("0 3 * * *"))
    assert cpu_seconds(lambda: last_of_both(one, other, NOW, far - SECOND)) < 1
    assert last_of_both(one, other, NOW, far - SECOND) is None
