"""Sequences of times: cuts at any instant agree with the list that they stand for."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.schedule.times import PairSums, TimeSequence

START = datetime.fromisoformat("2026-11-24T00:00:00")
OFFSETS = st.lists(st.integers(0, 30), unique=True).map(sorted)
INSTANTS = st.timedeltas(timedelta(seconds=-3), timedelta(seconds=33)).map(lambda distance: START + distance)
CUTS: list[tuple[str, Callable[[datetime, datetime], bool]]] = [
    ("since", lambda time, limit: time >= limit),
    ("after", lambda time, limit: time > limit),
    ("before", lambda time, limit: time < limit),
    ("until", lambda time, limit: time <= limit),
]


@pytest.mark.parametrize(("cut", "keeps"), CUTS)
@given(offsets=OFFSETS, limit=INSTANTS | st.integers(0, 30).map(lambda n: START + timedelta(seconds=n)), low=INSTANTS)
def test_a_cut_keeps_the_times_on_its_side(
    cut: str, keeps: Callable[[datetime, datetime], bool], offsets: list[int], limit: datetime, low: datetime
) -> None:
    times = TimeSequence(START, offsets).since(low)
    listed = [time for time in (START + timedelta(seconds=n) for n in offsets) if time >= low]
    kept = getattr(times, cut)(limit)
    assert list(kept) == [time for time in listed if keeps(time, limit)]
    assert len(kept) == len(list(kept))


def test_a_sequence_knows_its_ends_and_its_first_times() -> None:
    times = TimeSequence(START, range(10), timedelta(hours=1)).after(START + timedelta(minutes=90))
    assert (times.first, times.last) == (START + timedelta(hours=2), START + timedelta(hours=9))
    assert list(times.head(2)) == [START + timedelta(hours=2), START + timedelta(hours=3)]


def test_a_sequence_can_be_counted_from_another_start() -> None:
    times = TimeSequence(START, [1, 2, 3]).after(START + timedelta(seconds=1))
    moved = START + timedelta(days=1)
    assert list(times.rebase(moved)) == [moved + timedelta(seconds=2), moved + timedelta(seconds=3)]


@given(st.lists(st.integers(0, 20), unique=True).map(sorted), st.lists(st.integers(0, 99), unique=True).map(sorted))
def test_pair_sums_are_the_sorted_sums_of_all_pairs(hundreds: list[int], units: list[int]) -> None:
    sums = PairSums([100 * n for n in hundreds], units)
    assert [sums[n] for n in range(len(sums))] == sorted(100 * n + unit for n in hundreds for unit in units)
