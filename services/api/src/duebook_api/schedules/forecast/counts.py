"""Counts the runs of each hour, or of shorter steps, without a step for each run."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from duebook_api.schedules.forecast.job_schedules import JobSchedule, nominal_times
from duebook_common.domain.definition import Every
from duebook_common.domain.schedule.times import TimeSequence

HOUR = timedelta(hours=1)
MAX_CELLS = 500_000  # hours with runs, summed over the jobs
_TOO_LARGE = (
    f"the jobs have runs in more than {MAX_CELLS:,} hours, counted separately for each job; ask for a shorter window, "
    "or filter the jobs"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ForecastTooLarge(Exception):
    """The forecast would take too long to compute. The message says which limit it exceeds and what helps."""


@dataclass(frozen=True, slots=True)
class HourlyCounts:
    """The number of a job's runs in each hour (see `hour_of`), and its first and last nominal time in the window."""

    schedule: JobSchedule
    hours: Counter[int]
    first: datetime
    last: datetime

    @property
    def runs(self) -> int:
        return self.hours.total()


def hour_of(time: datetime, step: timedelta = HOUR) -> int:
    """The number of whole hours, or of other steps, since 1970."""
    return (time - _EPOCH) // step


def start_of(hour: int, step: timedelta = HOUR) -> datetime:
    return _EPOCH + hour * step


def step_counts(
    schedules: Iterable[JobSchedule], start: datetime, end: datetime, step: timedelta, max_cells: int
) -> Counter[int]:
    """The runs of all jobs together by step, as `hour_of` numbers them. Raises ForecastTooLarge."""
    counts, cells = Counter[int](), 0
    for schedule in schedules:
        job_counts, job_cells = _count(schedule, start, end, max_cells - cells, step)
        cells += job_cells
        if job_counts is not None:
            counts.update(job_counts.hours)
    return counts


def hourly_counts(
    schedules: Iterable[JobSchedule], start: datetime, end: datetime, known: Iterable[HourlyCounts] = ()
) -> list[HourlyCounts]:
    """The counts of the jobs that have runs in [start, end), after the known ones. Raises ForecastTooLarge."""
    counts, schedules = [*known], [*schedules]
    cells = sum(len(job.hours) for job in counts)
    if cells + sum(_least_cells(schedule, start, end) for schedule in schedules) > MAX_CELLS:
        raise ForecastTooLarge(_TOO_LARGE)
    for schedule in schedules:
        job_counts, job_cells = _count(schedule, start, end, MAX_CELLS - cells)
        cells += job_cells
        if job_counts is not None:
            counts.append(job_counts)
    return counts


def _least_cells(schedule: JobSchedule, start: datetime, end: datetime) -> int:
    """How many hours with runs the job has at least: what is too large is refused before anything is counted.

    Only of intervals, which take one step, and only where no runs before the window are to be counted for it.
    """
    limited = schedule.runs_left is not None and schedule.next_at is not None and schedule.next_at < start
    if limited or not isinstance(schedule.definition.recurrence, Every):
        return 0
    chunk = next(nominal_times(schedule, start, end), None)
    if chunk is None or chunk.interval is None:
        return 0
    return len(chunk) if chunk.interval > HOUR else hour_of(chunk.last) - hour_of(chunk.first) + 1


def _count(
    schedule: JobSchedule, start: datetime, end: datetime, max_cells: int, step: timedelta = HOUR
) -> tuple[HourlyCounts | None, int]:
    """The job's counts, None if it has no runs, and the number of cells: one for each hour, whatever its runs."""
    hours, cells = Counter[int](), 1
    first = last = None
    days = dict[Hashable, tuple[TimeSequence, list[tuple[int, int]]]]()  # most days of a job are like the first
    for chunk in nominal_times(schedule, start, end):
        first, last = first or chunk.first, chunk.last
        base, phase = divmod(chunk.start - _EPOCH, step)
        like = (chunk.shape, phase)
        if like not in days:
            days[like] = chunk, [(hour - base, runs) for hour, runs in _runs_by_step(chunk, step, max_cells - cells)]
        for hour, runs in days[like][1]:
            hours[base + hour] += runs
        cells += len(days[like][1])
        if cells > max_cells:
            raise ForecastTooLarge(_TOO_LARGE)
    return (None if first is None or last is None else HourlyCounts(schedule, hours, first, last)), cells


def _runs_by_step(chunk: TimeSequence, step: timedelta, most: int) -> Iterator[tuple[int, int]]:
    """The steps that have times, each with their number; at most one more than `most` steps."""
    rest = chunk
    while rest and most >= 0:
        hour = hour_of(rest.first, step)
        later = rest.since(start_of(hour + 1, step))
        yield hour, len(rest) - len(later)
        rest, most = later, most - 1
