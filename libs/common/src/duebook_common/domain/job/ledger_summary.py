"""The ledger in numbers: what a job's own stream says of its nominal times, counted by steps of time.

Counts whole days of a schedule at once, so that half a million times need no objects. `ledger.entries` says the same of
each time, and is asked about the few times that two schedules of the job may both name.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, pairwise

from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.job.ledger import DUE, UNACCOUNTED, SkippedRanges, last_counted
from duebook_common.domain.job.schedule_history import SchedulePeriod
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.state import RunStatus
from duebook_common.domain.schedule.times import TimeSequence

_INSTANT = timedelta(microseconds=1)
_MOST_SHARED = 10_000


@dataclass(slots=True)
class ExpectedCounts:
    """For each step how many times were expected, and how many of them were skipped or are not decided yet.

    `shared` are times that two periods may name: they are not counted. `ranges` are the skipped ranges in order, and
    `undecided_since` is when the times begin that the scheduler has yet to decide.
    """

    expected: list[int]
    skipped: list[int]
    undecided: list[int]
    undecided_outcome: str
    shared: list[datetime]
    ranges: list[tuple[datetime, datetime]] = field(default_factory=list)
    undecided_since: datetime | None = None


def expected_counts(
    job: Job, history: Sequence[SchedulePeriod], bounds: Sequence[datetime], last: datetime
) -> ExpectedCounts:
    """The counts between each two bounds, up to `last`."""
    outcome = RunStatus.SKIPPED if job.status is JobStatus.PAUSED else DUE
    steps = len(bounds) - 1
    shared = sorted(set(islice(_shared_times(history, bounds[0], last), _MOST_SHARED)))
    counts = ExpectedCounts([0] * steps, [0] * steps, [0] * steps, outcome, shared)
    for period in history:
        if period.schedule.recurrence != "none":
            _count_period(counts, job, period, bounds, last)
    return counts


def _shared_times(history: Sequence[SchedulePeriod], first: datetime, last: datetime) -> Iterator[datetime]:
    """The times of one-offs, which may be moved to a time of another schedule, and those of periods that overlap."""
    for period in history:
        if period.schedule.recurrence == "none":
            yield from period.times(first, last)
    for period, following in pairwise(history):
        if period.until is not None and period.until > following.versions[0].since:
            yield from period.times(max(first, following.versions[0].since), min(last, period.until))


def _count_period(
    counts: ExpectedCounts, job: Job, period: SchedulePeriod, bounds: Sequence[datetime], last: datetime
) -> None:
    first = bounds[0]
    _spread(period.chunks(first, last), bounds, counts.expected)
    undecided_since = job.next_at if period.until is None else None
    if undecided_since is not None:
        counts.undecided_since = undecided_since
        _spread(period.chunks(max(first, undecided_since), last), bounds, counts.undecided)
    for skip in (skip for skip in period.skips if skip.last >= first and skip.first <= last):
        end = _last_skipped(period, skip)
        counts.ranges.append((skip.first, end))
        _spread(_chunks_of_skip(period, skip, first, min(last, end)), bounds, counts.skipped)
    _leave_out_shared(counts, period, undecided_since, bounds)


def _last_skipped(period: SchedulePeriod, skip: OccurrencesSkipped) -> datetime:
    return skip.last if skip.first == skip.last else last_counted(period, skip)


def _chunks_of_skip(
    period: SchedulePeriod, skip: OccurrencesSkipped, first: datetime, last: datetime
) -> Iterable[TimeSequence]:
    if skip.first == skip.last:
        return [TimeSequence(skip.first)] if first <= skip.first <= last else []
    return period.chunks(max(first, skip.first), last)


def _leave_out_shared(
    counts: ExpectedCounts, period: SchedulePeriod, undecided_since: datetime | None, bounds: Sequence[datetime]
) -> None:
    for time in (time for time in counts.shared if period.count(time, time)):
        step = bisect_right(bounds, time) - 1
        counts.expected[step] -= 1
        if undecided_since is not None and time >= undecided_since:
            counts.undecided[step] -= 1
        elif SkippedRanges(period, time, time).outcome(time)[0] == RunStatus.SKIPPED:
            counts.skipped[step] -= 1


def _spread(chunks: Iterable[TimeSequence], bounds: Sequence[datetime], counts: list[int]) -> None:
    """Add to each step how many of the times lie in it."""
    for chunk in chunks:
        rest = chunk
        while rest:
            step = bisect_right(bounds, rest.first) - 1
            within = rest.before(bounds[step + 1])
            counts[step] += len(within)
            rest = rest.since(bounds[step + 1])


def outcomes(
    counts: ExpectedCounts, runs: Sequence[Counter[str]], filled: Sequence[Counter[str]]
) -> list[Counter[str]]:
    """The outcomes of each step.

    `runs` are the times that have a run, by its status, and `filled` those of them that only a backfill has given one,
    by what they were before: skipped, due or unaccounted.
    """
    return [
        _outcomes_of(counts, step, by_status, before)
        for step, (by_status, before) in enumerate(zip(runs, filled, strict=True))
    ]


def _outcomes_of(counts: ExpectedCounts, step: int, runs: Counter[str], filled: Counter[str]) -> Counter[str]:
    found = Counter(runs)
    found[RunStatus.SKIPPED] += counts.skipped[step] - filled[RunStatus.SKIPPED]
    found[counts.undecided_outcome] += counts.undecided[step] - filled[DUE]
    found[UNACCOUNTED] = counts.expected[step] - found.total()
    return Counter({name: number for name, number in found.items() if number})
