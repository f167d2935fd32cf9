"""Local times to instants, and the fact about time zones on which the conversion relies."""

import struct
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
import tzdata

from duebook_common.domain.definition import Cron, Definition, Dst
from duebook_common.domain.schedule.dst import Transition, transition_between, transitions
from duebook_common.domain.schedule.nominal import nominal_times

_DAY = 24 * 3600
_HEADER = 44


def tzif_transitions(name: str) -> list[tuple[int, int]]:
    """The transitions in the zone's file (RFC 9636): the second since 1970, and the offset from it on in seconds."""
    data = (Path(tzdata.__path__[0]) / "zoneinfo" / name).read_bytes()
    *_, count, types, characters, leaps, standards, universals = header(data)
    # A first block with 32-bit times precedes the one with 64-bit times that is read here.
    data = data[_HEADER + 5 * count + 6 * types + characters + 8 * leaps + standards + universals :]
    _, count, types, *_ = header(data)
    data = data[_HEADER:]
    times, type_of = struct.unpack(f">{count}q", data[: 8 * count]), data[8 * count : 9 * count]
    offsets = [offset for offset, _, _ in struct.iter_unpack(">lBB", data[9 * count : 9 * count + 6 * types])]
    before = [offsets[0], *(offsets[type_] for type_ in type_of)]
    return [
        (at, offsets[type_]) for at, type_, old in zip(times, type_of, before, strict=False) if offsets[type_] != old
    ]


def header(data: bytes) -> tuple[bytes, int, int, int, int, int, int]:
    magic, universals, standards, leaps, count, types, characters = struct.unpack(">4s16x6l", data[:_HEADER])
    assert magic == b"TZif"
    return magic, count, types, characters, leaps, standards, universals


def test_no_zone_has_two_transitions_within_six_days_since_1970() -> None:
    for name in available_timezones():
        for (earlier, _), (later, _) in pairwise(tzif_transitions(name)):
            assert later < 0 or later - earlier > 6 * _DAY, name


def test_a_transition_is_found_to_the_microsecond() -> None:
    for name in ("Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Africa/Casablanca"):
        zone = ZoneInfo(name)
        for at, offset in tzif_transitions(name):
            instant = datetime.fromtimestamp(at, UTC)
            if instant.year >= 1970:
                found = transition_between(zone, instant - timedelta(days=1), instant + timedelta(days=2))
                assert isinstance(found, Transition)
                assert (found.at, found.offset_after) == (instant, timedelta(seconds=offset))


def test_the_transitions_of_a_year_are_a_gap_and_a_fold() -> None:
    year = transitions(ZoneInfo("Europe/Berlin"), datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert [(each.is_gap, f"{each.local_before:%d %b %H:%M}", f"{each.local_after:%H:%M}") for each in year] == [
        (True, "29 Mar 02:00", "03:00"), (False, "25 Oct 03:00", "02:00"),
    ]  # fmt: skip


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
def test_the_new_york_cases_that_other_schedulers_are_compared_by(expression: str, day: str, times: list[str]) -> None:
    zone = ZoneInfo("America/New_York")
    start = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
    job = Definition(name="any", scheduled_at=start, recurrence=Cron(expression), timezone="America/New_York")
    shown = [t.astimezone(zone).isoformat() for t in islice(nominal_times(job), len(times))]
    assert [t[11:16] + t[19:] for t in shown] == times


def test_instants_ascend_through_a_fold_that_spans_midnight() -> None:
    """Newfoundland went from 00:01 back to 23:01 of the day before: the new day began before the old one had ended."""
    zone = ZoneInfo("America/St_Johns")
    start = datetime(2010, 11, 6, 23, 30, tzinfo=zone).astimezone(UTC)
    recurrence = Cron("0,30 23,0 * * *")
    job = Definition(
        name="any", scheduled_at=start, recurrence=recurrence, timezone="America/St_Johns", dst=Dst(fold="both")
    )
    shown = [t.astimezone(zone).strftime("%d %H:%M") for t in islice(nominal_times(job), 6)]
    assert shown == ["06 23:30", "07 00:00", "06 23:30", "07 00:00", "07 00:30", "07 23:00"]
