"""Nominal times of all kinds of schedules, compared with an oracle that shares no code with them.

The oracle takes the local times from other implementations (cronsim, dateutil), converts each one with both values of
`fold` (PEP 495), applies the DST policy to each by itself, and sorts the result. `DUEBOOK_TEST_SCHEDULES` is the number
of schedules to compare, each over three years or ten thousand times. Most start at random, the others some days before
a transition of their zone.
"""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count, islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from duebook_common.domain.definition import Cron, Definition, Dst, Every, Recurrence, Rrule
from duebook_common.domain.schedule.cron import CronError
from duebook_common.domain.schedule.nominal import count_between, last_between, next_after, nominal_times
from support.expressions import any_expression, nightly_expression
from support.rules import any_rule, dateutil_times

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia",
    "Africa/Casablanca", "America/Sao_Paulo", "Asia/Kathmandu", "America/St_Johns", "Africa/Cairo", "Pacific/Chatham",
)  # fmt: skip
MINUTE, HOUR, SECOND, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(seconds=1), timedelta(days=1)
SPAN, MOST = 3 * 365 * DAY, 10_000
FIRST, LAST = datetime(2009, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
SCHEDULES = int(os.environ.get("DUEBOOK_TEST_SCHEDULES", "48"))
SEEDS = 4


@cache
def transitions(name: str) -> list[datetime]:
    """The instants at which the offset changes, found hour by hour and then minute by minute."""
    zone, found, time = ZoneInfo(name), list[datetime](), FIRST
    while time < LAST:
        old = time.astimezone(zone).utcoffset()
        if old != (time + HOUR).astimezone(zone).utcoffset():
            minutes = (time + n * MINUTE for n in count(1))
            found.append(next(minute for minute in minutes if minute.astimezone(zone).utcoffset() != old))
        time += HOUR
    return found


def oracle(definition: Definition, end: datetime) -> list[datetime]:
    first, recurrence = definition.scheduled_at, definition.recurrence
    if isinstance(recurrence, Every):
        return list(takewhile(lambda time: time < end, (first + n * recurrence.every for n in count())))
    found = {first} if recurrence in {"daily", "weekly"} else set[datetime]()
    until = end.astimezone(ZoneInfo(definition.timezone)).replace(tzinfo=None) + 2 * DAY
    for local in takewhile(lambda local: local < until, local_times(definition)):
        found |= set(instants(local, definition.timezone, policy(definition)))
    return sorted(time for time in found if first <= time < end)


def local_times(definition: Definition) -> Iterator[datetime]:
    """The local times of the schedule, by another implementation."""
    start = definition.scheduled_at.astimezone(ZoneInfo(definition.timezone)).replace(tzinfo=None, fold=0)
    match definition.recurrence:
        case Cron(text):
            return iter(CronSim(text, start - 2 * DAY))
        case Rrule(text):
            return dateutil_times(text, start)
        case kind:
            return (start + n * DAY * (7 if kind == "weekly" else 1) for n in count())


def policy(definition: Definition) -> Dst:
    """The DST policy that applies: a recurrence without certain hours or minutes runs in every real hour."""
    match definition.recurrence:
        case Cron(text) if any(field.startswith("*") for field in text.split()[-5:-3]):
            return Dst("skip", "both")
        case Rrule(text) if ("HOURLY" in text or "MINUTELY" in text) and "BYHOUR" not in text:
            return Dst("skip", "both")
        case Rrule(text) if "MINUTELY" in text and "BYMINUTE" not in text:
            return Dst("skip", "both")
        case _:
            return definition.dst


def instants(local: datetime, name: str, dst: Dst) -> list[datetime]:
    """The instants of one local time."""
    zone = ZoneInfo(name)
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:  # the clocks skip it
        return [next(time for time in transitions(name) if time > second)] if dst.gap == "run_after" else []
    return {"first": [first], "second": [second], "both": [first, second]}[dst.fold]


def any_recurrence(chance: random.Random, start: datetime) -> Recurrence:
    kind = chance.random()
    if kind < 0.05:
        return "daily"
    if kind < 0.1:
        return "weekly"
    if kind < 0.15:
        return Every(timedelta(seconds=chance.choice([90, 1800, 3600, 86_400, 100_000])))
    if kind < 0.55:
        return Rrule(any_rule(chance, start))
    return Cron(nightly_expression(chance) if kind < 0.8 else any_expression(chance))


def any_schedule(chance: random.Random, zone: str) -> Definition:
    start = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randint(0, 8_900_000))
    if chance.random() < 0.4 and transitions(zone):
        start = chance.choice(transitions(zone)[:-4]) - timedelta(minutes=chance.randint(-60, 10 * 1440))
    return Definition(
        name="any",
        scheduled_at=start,
        recurrence=any_recurrence(chance, start.replace(tzinfo=None)),
        timezone=zone,
        dst=Dst(chance.choice(["run_after", "skip"]), chance.choice(["first", "second", "both"])),
    )


def compare(definition: Definition) -> list[datetime]:
    """Assert that both agree, and return the times."""
    start = definition.scheduled_at
    times = list(islice(takewhile(lambda time: time < start + SPAN, nominal_times(definition)), MOST))
    end = times[-1] if len(times) == MOST else start + SPAN
    assert [time for time in times if time < end] == oracle(definition, end), definition
    return times


def comparable(definition: Definition) -> bool:
    """Whether the schedule starts soon: the others search for a time that never comes until the calendar ends."""
    try:
        first = next_after(definition, None)
    except CronError:
        return False
    return first is not None and first < definition.scheduled_at + SPAN


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_schedule_in_any_zone_agrees_with_the_oracle(seed: int) -> None:
    chance = random.Random(seed)
    schedules = (any_schedule(chance, ZONES[n % len(ZONES)]) for n in count())
    for definition in islice(filter(comparable, schedules), SCHEDULES // SEEDS):
        times = compare(definition)
        first, last = sorted(chance.choices(times, k=2))
        assert count_between(definition, first, last) == times.index(last) - times.index(first) + 1
        assert last_between(definition, first, last) == last
        for time, following in chance.sample(list(pairwise(times)), min(3, len(times) - 1)):
            assert next_after(definition, time) == following, (definition, time)
            assert next_after(definition, following - timedelta(microseconds=1)) == following, (definition, time)
            assert last_between(definition, time, following - SECOND) == time


@pytest.mark.parametrize(
    "dst", [Dst(gap, fold) for gap in ("run_after", "skip") for fold in ("first", "second", "both")]
)
@pytest.mark.parametrize(
    "recurrence", [Cron("0,30 * * * *"), Cron("15 0-23 * * *"), Rrule("FREQ=HOURLY;BYHOUR=0,10,23")]
)
def test_schedules_agree_with_the_oracle_on_the_day_that_apia_skipped(recurrence: Recurrence, dst: Dst) -> None:
    before = datetime(2011, 12, 28, 10, tzinfo=UTC)  # 00:00 at -10
    compare(Definition(name="apia", scheduled_at=before, recurrence=recurrence, timezone="Pacific/Apia", dst=dst))


def test_with_gap_skip_a_skipped_day_has_no_occurrence() -> None:
    midnight = datetime(2011, 12, 28, 10, tzinfo=UTC)  # 00:00 at -10
    apia = Definition(
        name="apia", scheduled_at=midnight, recurrence=Cron("0 12 * * *"), timezone="Pacific/Apia", dst=Dst("skip")
    )
    times = [time.astimezone(ZoneInfo("Pacific/Apia")) for time in islice(nominal_times(apia), 4)]
    assert [f"{time:%d %H:%M}" for time in times] == ["28 12:00", "29 12:00", "31 12:00", "01 12:00"]


def test_an_interval_is_real_time_and_keeps_its_phase() -> None:
    start = datetime(2027, 3, 27, 23, 50, tzinfo=UTC)
    step = timedelta(minutes=45)
    every = Definition(name="every", scheduled_at=start, recurrence=Every(step), timezone="Europe/Berlin")
    assert list(islice(nominal_times(every), 9)) == [start + n * step for n in range(9)]
    far = start + 1_000_000 * step
    assert next_after(every, far) == far + step
    assert next_after(every, far - SECOND) == far
    assert next_after(every, start - SECOND) == start
