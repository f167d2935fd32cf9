"""Statistics: which rows a batch adds to, which keys are admitted, and quantiles of histograms."""

from datetime import UTC, datetime, timedelta
from math import ceil, log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain import statistics
from duebook_common.domain.statistics import (
    DAY,
    FIVE_MINUTES,
    HOUR,
    MINUTE,
    OTHER,
    Dimension,
    Facts,
    Group,
    Measure,
    Rollup,
    StepKey,
    admit,
    floor,
    merge_unknown,
    quantiles,
    roll_up,
)

NOW = datetime(2026, 6, 1, 12, 34, 56, tzinfo=UTC)
AT = datetime(2026, 6, 1, 12, 34, tzinfo=UTC)


def facts(at: datetime = AT, queue: str = "q", count: int = 1, first: int = 1) -> Facts:
    return Facts(at, queue, "t", None, Measure.COUNT, 0, count, first)


def test_a_fact_counts_in_each_step_for_all_its_queue_and_its_task() -> None:
    rows = roll_up([facts(count=2), facts(count=3)], NOW)
    assert {(row.group.step, row.group.dimension, row.group.at, row.key) for row in rows} == {
        (step, dimension, floor(AT, step), key)
        for step in (MINUTE, FIVE_MINUTES, HOUR, DAY)
        for dimension, key in ((Dimension.ALL, OTHER), (Dimension.QUEUE, "q"), (Dimension.TASK, "t"))
    }
    assert {rollup.counts["succeeded"] for rollup in rows.values()} == {5}


def test_a_job_counts_by_the_hour() -> None:
    [(row, rollup)] = roll_up([Facts(floor(AT, HOUR), None, None, "j", Measure.LATENESS, 3, 7, 1)], NOW).items()
    assert row == StepKey(Group(HOUR, Dimension.JOB, floor(AT, HOUR)), "j")
    assert rollup.measures[Measure.LATENESS] == [0, 0, 0, 7]


def test_what_is_no_longer_kept_is_left_out() -> None:
    old = roll_up([facts(AT - 4 * DAY)], NOW)
    assert {row.group.step for row in old} == {HOUR, DAY}
    assert roll_up([Facts(floor(AT, HOUR) - 36 * DAY, None, None, "j", 0, 0, 1, 1)], NOW) == {}


@given(st.lists(st.sampled_from("abcdefg"), min_size=1), st.integers(1, 8))
def test_the_keys_do_not_depend_on_the_size_of_batches(queues: list[str], size: int) -> None:
    most = statistics.MOST_KEYS
    statistics.MOST_KEYS = dict.fromkeys(most, 3)
    try:
        results = [_kept_in_batches(queues, each) for each in (size, len(queues))]
    finally:
        statistics.MOST_KEYS = most
    assert results[0] == results[1]
    distinct = list(dict.fromkeys(queues))
    expected = {key: queues.count(key) for key in distinct[:3]}
    others = sum(queues.count(key) for key in distinct[3:])
    assert results[0] == expected | ({OTHER: others} if others else {})


def _kept_in_batches(queues: list[str], size: int) -> dict[str, int]:
    total: dict[StepKey, int] = {}
    for start in range(0, len(queues), size):
        batch = [facts(queue=queue, first=n) for n, queue in enumerate(queues[start : start + size])]
        for row, rollup in admit(roll_up(batch, NOW), set(total)).items():
            total[row] = total.get(row, 0) + rollup.counts["succeeded"]
    return {row.key: n for row, n in total.items() if row.group[:2] == (MINUTE, Dimension.QUEUE)}


def test_a_job_that_another_full_hour_knows_is_another_here() -> None:
    hours = [Group(HOUR, Dimension.JOB, floor(AT, HOUR) + n * HOUR) for n in (0, 1)]
    full = {hours[0]: {"a"}, hours[1]: {"b"}}
    batch = {StepKey(hour, key): Rollup(([1], [], [])) for hour in hours for key in ("a", "b", OTHER)}
    counts = {(row.group, row.key): rollup.measures[0] for row, rollup in merge_unknown(batch, full).items()}
    expected = [((hours[0], "a"), [1]), ((hours[0], OTHER), [2]), ((hours[1], "b"), [1]), ((hours[1], OTHER), [2])]
    assert counts == dict(expected)


@given(st.lists(st.floats(0.001, 1e5), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_right_to_a_sixth(seconds: list[float], share: float) -> None:
    histogram = [0] * (statistics.LAST_BUCKET + 1)
    for each in seconds:
        histogram[min(ceil(statistics.BUCKETS_PER_DECADE * log10(each * 1000)), statistics.LAST_BUCKET)] += 1
    expected = sorted(seconds)[ceil(share * len(seconds)) - 1]
    assert quantiles(histogram, share) == [pytest.approx(expected, rel=1 / 6)]


def test_without_times_there_is_no_quantile() -> None:
    assert quantiles([], 0.5, 0.95) == [None, None]
    assert quantiles([0, 0], 0.99) == [None]
    assert floor(NOW, timedelta(minutes=5)) == AT.replace(minute=30)


def test_rollups_of_any_length_are_added_slot_by_slot() -> None:
    total, other = Rollup(([1], [], [5, 6])), Rollup(([1, 2], [3], [1]))
    total.merge(other)
    assert total.measures == ([2, 2], [3], [6, 6])
    assert other.measures == ([1, 2], [3], [1])


def test_a_part_is_taken_away_slot_by_slot() -> None:
    whole, part = Rollup(([3, 0, 2], [1], [])), Rollup(([1, 0, 2], [1], []))
    whole.subtract(part)
    assert whole.measures == ([2, 0, 0], [0], [])
