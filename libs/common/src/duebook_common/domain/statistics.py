"""Statistics: counts of outcomes and histograms of times, by step of time and by queue, task or job.

A histogram has a bucket for each eighth of a power of ten milliseconds, so that a quantile is right to a sixth.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import cache
from itertools import accumulate, zip_longest
from math import ceil
from typing import NamedTuple

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIVE_MINUTES = 5 * MINUTE
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What a run, an occurrence (`skipped`) or an attempt (`failed`) came to, in the order of the counts.
OUTCOMES = ("succeeded", "dead_lettered", "cancelled", "skipped", "discarded", "failed")
BUCKETS_PER_DECADE, LAST_BUCKET = 8, 72  # up to eleven days
OTHER = ""  # the key of all that came after a step had its most keys


class Dimension(StrEnum):
    """What a key names."""

    ALL = "all"
    QUEUE = "queue"
    TASK = "task"
    JOB = "job"


class Measure(IntEnum):
    COUNT = 0
    LATENESS = 1
    DURATION = 2


# How many keys one step has at most: a client may make jobs, and name tasks, without end.
MOST_KEYS = {Dimension.QUEUE: 500, Dimension.TASK: 500, Dimension.JOB: 1_000}
# The steps that are kept, and for how long; jobs only by the hour.
KEPT: dict[timedelta, timedelta | None] = {
    MINUTE: timedelta(days=3),
    FIVE_MINUTES: timedelta(days=3),  # that of the pictures: a day by queue has a fifth of the rows
    HOUR: None,
    DAY: None,
}
JOBS_KEPT = timedelta(days=35)


class Group(NamedTuple):
    """A step of time and a dimension."""

    step: timedelta
    dimension: Dimension
    at: datetime


class StepKey(NamedTuple):
    """One row of the statistics."""

    group: Group
    key: str


class Facts(NamedTuple):
    """The number of a batch's events that fell into the same slot of a measure.

    `at` is the minute, with queue and task; or the hour, with a job, None for one beyond the most keys. `first` numbers
    the first of them in the order of the log.
    """

    at: datetime
    queue: str | None
    task: str | None
    job: str | None
    measure: int
    slot: int
    number: int
    first: int


@dataclass(slots=True)
class Rollup:
    """Counts by outcome, and histograms of the lateness of first attempts and of the duration of attempts."""

    measures: tuple[list[int], list[int], list[int]] = field(default_factory=lambda: ([], [], []))
    first: int = 0

    def add(self, measure: int, slot: int, count: int) -> None:
        slots = self.measures[measure]
        slots += [0] * (slot + 1 - len(slots))
        slots[slot] += count

    def merge(self, other: "Rollup") -> None:
        for slots, more in zip(self.measures, other.measures, strict=True):
            slots[:] = map(sum, zip_longest(slots, more, fillvalue=0))

    def subtract(self, part: "Rollup") -> None:
        """Take away what a part of it has."""
        for slots, less in zip(self.measures, part.measures, strict=True):
            slots[:] = [n - m for n, m in zip_longest(slots, less, fillvalue=0)]

    @property
    def counts(self) -> dict[str, int]:
        return dict.fromkeys(OUTCOMES, 0) | dict(zip(OUTCOMES, self.measures[Measure.COUNT], strict=False))


def roll_up(batch: Iterable[Facts], now: datetime) -> dict[StepKey, Rollup]:
    """The rows that a batch adds to, without those that are no longer kept."""
    rollups: dict[StepKey, Rollup] = {}
    for facts in batch:
        for row in _rows_of(facts):
            if _is_kept(row.group, now):
                rollup = rollups.setdefault(row, Rollup(first=facts.first))
                rollup.first = min(rollup.first, facts.first)
                rollup.add(facts.measure, facts.slot, facts.number)
    return rollups


def _rows_of(facts: Facts) -> Iterable[StepKey]:
    if facts.queue is None or facts.task is None:
        yield StepKey(Group(HOUR, Dimension.JOB, facts.at), facts.job or OTHER)
        return
    for step in KEPT:
        at = floor(facts.at, step)
        yield StepKey(Group(step, Dimension.ALL, at), OTHER)
        yield StepKey(Group(step, Dimension.QUEUE, at), facts.queue)
        yield StepKey(Group(step, Dimension.TASK, at), facts.task)


def floor(time: datetime, step: timedelta) -> datetime:
    """The last multiple of the step since 1970 that is not after the time."""
    return EPOCH + (time - EPOCH) // step * step


def kept_since(step: timedelta, dimension: Dimension, now: datetime) -> datetime:
    """The first time whose rows are kept."""
    kept = JOBS_KEPT if dimension is Dimension.JOB else KEPT[step]
    return EPOCH if kept is None else now - kept


def _is_kept(group: Group, now: datetime) -> bool:
    return group.at >= kept_since(group.step, group.dimension, now)


def admit(rollups: dict[StepKey, Rollup], known: Collection[StepKey]) -> dict[StepKey, Rollup]:
    """The rollups, those of new keys beyond the most keys of their group merged into one.

    The keys that come first in the log are admitted, so that batches of other sizes would admit the same.
    """
    taken: dict[Group, int] = {}
    for row in known:
        taken[row.group] = taken.get(row.group, 0) + (row.key != OTHER)
    admitted: dict[StepKey, Rollup] = {}
    for row, rollup in sorted(rollups.items(), key=lambda item: item[1].first):
        target = row
        if row.key != OTHER and row not in known:
            if taken.get(row.group, 0) >= MOST_KEYS[row.group.dimension]:
                target = StepKey(row.group, OTHER)
            else:
                taken[row.group] = taken.get(row.group, 0) + 1
        admitted.setdefault(target, Rollup(first=rollup.first)).merge(rollup)
    return admitted


def merge_unknown(rollups: dict[StepKey, Rollup], full: Mapping[Group, Collection[str]]) -> dict[StepKey, Rollup]:
    """The rollups of groups that have their most keys, those of other keys merged into one."""
    merged: dict[StepKey, Rollup] = {}
    for row, rollup in rollups.items():
        target = row if row.key in full[row.group] else StepKey(row.group, OTHER)
        merged.setdefault(target, Rollup(first=rollup.first)).merge(rollup)
    return merged


def quantiles(histogram: Sequence[int], *shares: float) -> list[float | None]:
    """For each share, above 0, the seconds that so large a share of the times did not exceed; None without any."""
    seen = list(accumulate(histogram))
    if not seen or not seen[-1]:
        return [None] * len(shares)
    return [round(_middle(bisect_left(seen, ceil(share * seen[-1]))), 6) for share in shares]


@cache
def _middle(bucket: int) -> float:
    """The middle of the bucket on its logarithmic scale, in seconds."""
    return float(10 ** ((max(bucket, 0.5) - 0.5) / BUCKETS_PER_DECADE) / 1000)
