"""What the clocks on the walls show, and the fact about them on which their reading rests."""

import struct
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
import tzdata

from duebook_common.domain.definition import Cron, Definition, Dst
from duebook_common.domain.schedule.dst import Change, change_between
from duebook_common.domain.schedule.nominal import nominal_times

_DAY = 24 * 3600
_HEADER = 44


def changes(name: str) -> list[tuple[int, int]]:
    """(second of the Unix epoch, offset from then on) as the zone's file lists them, by RFC 9636."""
    data = (Path(tzdata.__path__[0]) / "zoneinfo" / name).read_bytes()
    _, count, kinds, letters, leaps, standards, universals = header(data)
    data = data[
        _HEADER + 5 * count + 6 * kinds + letters + 8 * leaps + standards + universals :
    ]  # the first is of 32 bits
    _, count, kinds, *_ = header(data)
    data = data[_HEADER:]
    times, types = struct.unpack(f">{count}q", data[: 8 * count]), data[8 * count : 9 * count]
    offsets = [offset for offset, _, _ in struct.iter_unpack(">lBB", data[9 * count : 9 * count + 6 * kinds])]
    before = [offsets[0], *(offsets[kind] for kind in types)]
    return [(at, offsets[kind]) for at, kind, old in zip(times, types, before, strict=False) if offsets[kind] != old]


def header(data: bytes) -> tuple[bytes, int, int, int, int, int, int]:
    magic, universals, standards, leaps, count, kinds, letters = struct.unpack(">4s16x6l", data[:_HEADER])
    assert magic == b"TZif"
    return magic, count, kinds, letters, leaps, standards, universals


def test_no_zone_has_changed_its_clocks_twice_within_six_days_since_1970() -> None:
    for name in available_timezones():
        for (earlier, _), (later, _) in pairwise(changes(name)):
            assert later < 0 or later - earlier > 6 * _DAY, name


def test_a_change_is_found_to_the_instant() -> None:
    for name in ("Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Africa/Casablanca"):
        zone = ZoneInfo(name)
        for at, offset in changes(name):
            instant = datetime.fromtimestamp(at, UTC)
            if instant.year >= 1970:
                found = change_between(zone, instant - timedelta(days=1), instant + timedelta(days=2))
                assert isinstance(found, Change)
                assert (found.at, found.after) == (instant, timedelta(seconds=offset))


@pytest.mark.parametrize(
    ("expression", "day", "times"),
    [
        ("30 2 * * *", "2026-03-08", ["03:00-04:00", "02:30-04:00"]),
        ("*/30 * * * *", "2026-03-08T01:00", ["01:00-05:00", "01:30-05:00", "03:00-04:00", "03:30-04:00"]),
        ("30 1 * * *", "2026-11-01", ["01:30-04:00", "01:30-05:00"]),
        ("0 * * * *", "2026-11-01", ["00:00-04:00", "01:00-04:00", "01:00-05:00", "02:00-05:00"]),
        ("15,45 1-2 * * *", "2026-11-01", ["01:15-04:00", "01:45-04:00", "02:15-05:00", "02:45-05:00"]),
    ],
)
def test_new_york_as_other_schedulers_are_measured(expression: str, day: str, times: list[str]) -> None:
    zone = ZoneInfo("America/New_York")
    start = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
    job = Definition(name="any", scheduled_at=start, recurrence=Cron(expression), timezone="America/New_York")
    shown = [t.astimezone(zone).isoformat() for t in islice(nominal_times(job), len(times))]
    assert [t[11:16] + t[19:] for t in shown] == times


def test_a_repeated_hour_that_spans_midnight_is_told_in_order() -> None:
    """Newfoundland went from 00:01 back to 23:01 of the day before: the new day began before the old one had ended."""
    zone = ZoneInfo("America/St_Johns")
    start = datetime(2010, 11, 6, 23, 30, tzinfo=zone).astimezone(UTC)
    named = Cron("0,30 23,0 * * *")
    job = Definition(
        name="any", scheduled_at=start, recurrence=named, timezone="America/St_Johns", dst=Dst(fold="both")
    )
    shown = [t.astimezone(zone).strftime("%d %H:%M") for t in islice(nominal_times(job), 6)]
    assert shown == ["06 23:30", "07 00:00", "06 23:30", "07 00:00", "07 00:30", "07 23:00"]
