"""Nominal times of cron schedules against an oracle that shares no code with them.

It walks the zone from change to change of its offset, asks another implementation of cron for the wall-clock times
of each stretch, and applies the DST policies to what two stretches share or what lies between them.
`DUEBOOK_TEST_SCHEDULES` says how many schedules of half a year each are compared.
"""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from duebook_common.domain.cron import CronError, parse
from duebook_common.domain.definition import Cron, Definition, Dst, Every
from duebook_common.domain.schedule import next_after, nominal_times
from expressions import any_expression, nightly_expression

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia",
    "Africa/Casablanca", "America/Sao_Paulo", "Asia/Kathmandu", "America/St_Johns", "Africa/Cairo", "Pacific/Chatham",
)  # fmt: skip
HOUR, SECOND, SPAN = timedelta(hours=1), timedelta(seconds=1), timedelta(days=183)
SCHEDULES = int(os.environ.get("DUEBOOK_TEST_SCHEDULES", "96"))


def stretches(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """From, to, and the one offset that holds between them."""
    changes, time = [start], start
    while time < end:
        if time.astimezone(zone).utcoffset() != (time + HOUR).astimezone(zone).utcoffset():
            seconds = (time + n * SECOND for n in range(1, 3601))
            changes.append(
                next(s for s in seconds if s.astimezone(zone).utcoffset() != time.astimezone(zone).utcoffset())
            )
        time += HOUR
    for low, high in pairwise([*changes, end]):
        yield low, high, low.astimezone(zone).utcoffset() or timedelta(0)


def oracle(definition: Definition, text: str, end: datetime) -> list[datetime]:
    zone, start = ZoneInfo(definition.timezone), definition.scheduled_at
    starred = any(field.startswith("*") for field in text.split()[-5:-3])
    dst = Dst("skip", "both") if starred else definition.dst
    found, parts = set[datetime](), list(stretches(zone, start - 48 * HOUR, end + 48 * HOUR))
    for n, (low, high, offset) in enumerate(parts):
        first, last = (low + offset).replace(tzinfo=None), (high + offset).replace(tzinfo=None)
        before = (low + parts[n - 1][2]).replace(tzinfo=None) if n else first
        after = (high + parts[n + 1][2]).replace(tzinfo=None) if n + 1 < len(parts) else last
        if dst.gap == "run_after" and before < first and next(CronSim(text, before - SECOND)) < first:
            found.add(low)
        for wall in takewhile(lambda wall, last=last: wall < last, CronSim(text, first - SECOND)):  # type: ignore[misc]
            repeated, to_be_repeated = wall < before, wall >= after
            if not (repeated and dst.fold == "first") and not (to_be_repeated and dst.fold == "second"):
                found.add((wall - offset).replace(tzinfo=UTC))
    return sorted(time for time in found if start <= time < end)


@pytest.mark.parametrize("seed", range(4))
def test_cron_in_any_zone_agrees_with_the_oracle(seed: int) -> None:
    chance = random.Random(seed)
    for n in range(SCHEDULES // 4):
        text = nightly_expression(chance) if chance.random() < 0.6 else any_expression(chance)
        try:
            parse(text)
        except CronError:
            continue
        definition = Definition(
            name="any",
            scheduled_at=datetime(2010, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randint(0, 9_000_000)),
            recurrence=Cron(text),
            timezone=ZONES[n % len(ZONES)],
            dst=Dst(chance.choice(["run_after", "skip"]), chance.choice(["first", "second", "both"])),
        )
        end = definition.scheduled_at + SPAN
        named = list(takewhile(lambda time: time < end, nominal_times(definition)))  # noqa: B023 - used at once
        assert named == oracle(definition, text, end), definition
        for time, following in chance.sample(list(pairwise(named)), min(3, max(len(named) - 1, 0))):
            assert next_after(definition, time) == following, (definition, time)
            assert next_after(definition, following - timedelta(microseconds=1)) == following, (definition, time)


def test_an_apia_job_has_no_occurrence_on_the_day_that_was_left_out() -> None:
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
