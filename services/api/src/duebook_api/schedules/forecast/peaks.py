"""The most runs of a queue at once, estimated from how long attempts have taken."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from duebook_api.schedules.forecast.counts import HOUR, HourlyCounts, start_of
from duebook_api.schedules.forecast.durations import AttemptDuration
from duebook_api.schedules.forecast.job_schedules import RESOLUTION, due_times
from duebook_common.domain.definition import Overlap

# The limits of one forecast, shared by its queues: runs visited one by one; and jobs times hours searched.
_MAX_RUNS, _MAX_JOB_HOURS = 300_000, 50_000
_MAX_HOURS = 24  # of a queue that has more runs
_LOOK_BACK = timedelta(days=1)  # a run that started longer before is not counted

DurationOf = Callable[[HourlyCounts], AttemptDuration]
Window = tuple[datetime, datetime]  # [start, end)


@dataclass(frozen=True, slots=True)
class Peak:
    """The most runs at once, and the first instant at which there are so many; None without runs."""

    runs: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueuePeaks:
    """The peak if attempts take their mean duration, and if they take their 95th percentile.

    `hours` is the number of hours searched, None for all.
    """

    mean: Peak
    p95: Peak
    hours: int | None


def queue_peaks(queue: Sequence[HourlyCounts], duration_of: DurationOf, share: float) -> QueuePeaks:
    """The peaks of one queue. If it has very many runs, only its busiest hours are searched.

    `share` is the queue's part of the forecast's limits, from 0 to 1.
    """
    hours = _busiest_hours(queue, duration_of, share)
    whole = (min(job.first for job in queue), max(job.last for job in queue) + RESOLUTION)
    windows = [whole] if hours is None else _windows(hours)
    mean = _peak(queue, windows, lambda job: duration_of(job).mean)
    p95 = _peak(queue, windows, lambda job: duration_of(job).p95)
    return QueuePeaks(mean, p95, None if hours is None else len(hours))


def _busiest_hours(queue: Sequence[HourlyCounts], duration_of: DurationOf, share: float) -> list[int] | None:
    """The hours with the most seconds of work, as many as the limits allow; None if they allow all hours."""
    runs, work, max_runs = Counter[int](), dict[int, float](), _MAX_RUNS * share
    for job in queue:
        runs.update(job.hours)
        seconds = duration_of(job).mean
        for hour, count in job.hours.items():
            work[hour] = work.get(hour, 0.0) + count * seconds
    if runs.total() <= max_runs:
        return None
    max_hours = min(_MAX_HOURS, max(1, int(_MAX_JOB_HOURS * share) // len(queue)))
    chosen, total = list[int](), 0
    for hour in sorted(work, key=lambda hour: (-work[hour], hour))[:max_hours]:
        total += runs[hour]
        if chosen and total > max_runs:
            break
        chosen.append(hour)
    return sorted(chosen)


def _windows(hours: Sequence[int]) -> list[Window]:
    """The hours as windows; adjacent hours become one."""
    windows: list[Window] = []
    for hour in hours:
        start = windows.pop()[0] if windows and windows[-1][1] == start_of(hour) else start_of(hour)
        windows.append((start, start_of(hour) + HOUR))
    return windows


def _peak(
    queue: Sequence[HourlyCounts], windows: Sequence[Window], seconds_of: Callable[[HourlyCounts], float]
) -> Peak:
    peak = Peak()
    for window in windows:
        runs = [run for job in queue for run in _runs(job, window, seconds_of(job))]
        peak = max(peak, _most_at_once(runs, window[0].timestamp()), key=lambda candidate: candidate.runs)
    return peak


def _runs(job: HourlyCounts, window: Window, seconds: float) -> Iterator[tuple[float, float]]:
    """The start and the end of each run that is under way in the window, in seconds since 1970.

    A run ends when the next one of its job starts, unless the job lets its runs overlap.
    """
    low = max(window[0] - min(timedelta(seconds=seconds), _LOOK_BACK), job.first)
    high = min(window[1], job.last + RESOLUTION)
    starts = [time.timestamp() for time in due_times(job.schedule, low, high)]
    ends = [start + seconds for start in starts]
    if job.schedule.definition.overlap is not Overlap.ALLOW_ALL:
        ends[:-1] = [min(start + seconds, following) for start, following in pairwise(starts)]
    return zip(starts, ends, strict=True)


def _most_at_once(runs: Sequence[tuple[float, float]], since: float) -> Peak:
    """The peak at or after the instant `since`. A run that ends at an instant does not count at it."""
    starts, ends = sorted(start for start, _ in runs), sorted(end for _, end in runs)
    ended, most, at = 0, 0, None
    for started, start in enumerate(starts, 1):
        while ended < started and ends[ended] <= start:  # all have ended if the last ones took no time
            ended += 1
        if start >= since and started - ended > most:
            most, at = started - ended, start
    return Peak(most, None if at is None else datetime.fromtimestamp(at, UTC))
