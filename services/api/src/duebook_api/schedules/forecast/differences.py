"""Which nominal times changes would add, and which they would remove."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from duebook_api.schedules.forecast.counts import ForecastTooLarge
from duebook_api.schedules.forecast.job_schedules import JobSchedule, nominal_times

MAX_SHOWN, MAX_COMPARED = 100, 500_000
_WEEK = timedelta(days=7)

_TOO_LARGE = (
    f"the changes affect more than {MAX_COMPARED:,} nominal times; ask for a shorter window, or about fewer changes"
)
Window = tuple[datetime, datetime]  # [start, end)


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job's schedule without and with a change: None before a creation, and None after a deletion."""

    before: JobSchedule | None
    after: JobSchedule | None


@dataclass(slots=True)
class TimesSummary:
    """The number of some nominal times, and the earliest of them with their jobs."""

    count: int = 0
    earliest: list[tuple[datetime, JobSchedule]] = field(default_factory=list)

    def append(self, time: datetime, schedule: JobSchedule) -> None:
        """Add a time that is not earlier than those already added."""
        self.count += 1
        if len(self.earliest) < MAX_SHOWN:
            self.earliest.append((time, schedule))

    def merge(self, other: "TimesSummary") -> None:
        self.count += other.count
        self.earliest = sorted([*self.earliest, *other.earliest], key=lambda item: item[0])[:MAX_SHOWN]


def schedules_after(changes: Iterable[JobChange]) -> list[JobSchedule]:
    """Those of the changed jobs that are left."""
    return [change.after for change in changes if change.after is not None]


def changed_times(changes: Sequence[JobChange], start: datetime, end: datetime) -> tuple[TimesSummary, TimesSummary]:
    """The nominal times in [start, end) that the changes add, and those that they remove. Raises ForecastTooLarge."""
    window = (start, end)
    if least_compared(changes, (start, min(end, start + _WEEK))) > MAX_COMPARED:
        raise ForecastTooLarge(_TOO_LARGE)
    all_added, all_removed, compared = TimesSummary(), TimesSummary(), 0
    for change in changes:
        added, removed = TimesSummary(), TimesSummary()
        if change.before is not None and change.after is not None:
            compared += _compare(change.before, change.after, window, added, removed, MAX_COMPARED - compared)
        elif change.after is not None:
            added = _summary(change.after, window)
        elif change.before is not None:
            removed = _summary(change.before, window)
        all_added.merge(added)
        all_removed.merge(removed)
    return all_added, all_removed


def least_compared(changes: Iterable[JobChange], window: Window) -> int:
    """How many nominal times a comparison visits at least: what is too large is refused without it.

    Each schedule takes a step for each day of the window, however many times it has.
    """
    changed = (
        (change.before, change.after) for change in changes if change.before is not None and change.after is not None
    )
    return sum(
        max(_count(before, window), _count(after, window)) for before, after in changed if not _same(before, after)
    )


def _count(schedule: JobSchedule, window: Window) -> int:
    return sum(map(len, nominal_times(schedule, *window)))


def _summary(schedule: JobSchedule, window: Window) -> TimesSummary:
    """All times of a schedule. They are counted by chunks; only the earliest are visited one by one."""
    earliest = [(time, schedule) for time in islice(_times(schedule, window), MAX_SHOWN)]
    return TimesSummary(_count(schedule, window), earliest)


def _times(schedule: JobSchedule, window: Window) -> Iterator[datetime]:
    for chunk in nominal_times(schedule, *window):
        yield from chunk


def _compare(
    before: JobSchedule,
    after: JobSchedule,
    window: Window,
    added: TimesSummary,
    removed: TimesSummary,
    max_compared: int,
) -> int:
    """Merge the times of both schedules in order. Returns the number of steps."""
    if _same(before, after):
        return 0
    old_times, new_times, compared = _times(before, window), _times(after, window), 0
    old, new = next(old_times, None), next(new_times, None)
    while old is not None or new is not None:
        compared += 1
        if compared > max_compared:
            raise ForecastTooLarge(_TOO_LARGE)
        if old is not None and (new is None or old < new):
            removed.append(old, before)
            old = next(old_times, None)
        elif new is not None and (old is None or new < old):
            added.append(new, after)
            new = next(new_times, None)
        else:
            old, new = next(old_times, None), next(new_times, None)
    return compared


def _same(before: JobSchedule, after: JobSchedule) -> bool:
    same = before.definition.same_schedule(after.definition)
    return same and (before.next_at, before.runs_left) == (after.next_at, after.runs_left)
