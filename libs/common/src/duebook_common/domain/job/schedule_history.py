"""A job's history as stretches of time, each with the schedule that was in force: what was expected to happen when.

Made of the job's events alone, without a look at what became of the nominal times that they name.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.events import (
    JobChanged,
    JobCreated,
    JobDeleted,
    JobEvent,
    JobFinished,
    OccurrencesSkipped,
)
from duebook_common.domain.run.events import BY_SCHEDULE, FirstEvent, RunBuffered, RunDispatched, RunSkipped
from duebook_common.domain.schedule.nominal import count_between, nominal_times

EVER = datetime(1969, 12, 31, tzinfo=UTC)  # no schedule names a time before 1970
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DefinitionVersion:
    """A definition, its number, its place in the job's stream, and the instant after which it was in force."""

    definition: Definition
    number: int
    place: int
    since: datetime = EVER


@dataclass(slots=True)
class SchedulePeriod:
    """The nominal times of one schedule, as long as it went on; changes of anything else are further versions of it.

    `runs` counts the runs that the schedule made, where they are part of the history.
    """

    versions: list[DefinitionVersion]
    until: datetime | None = None  # the last instant at which it was in force; None: it still is
    skips: list[OccurrencesSkipped] = field(default_factory=list)
    runs: int = 0
    latest: datetime = EVER  # the last nominal time of which something is recorded

    @property
    def schedule(self) -> Definition:
        return self.versions[0].definition

    def version_at(self, time: datetime) -> DefinitionVersion:
        """The definition in force at a nominal time: a change only looks ahead."""
        return self.versions[max(bisect_left(self.versions, time, key=lambda version: version.since) - 1, 0)]

    def times(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """The nominal times from `first` to `last`, both included, in order."""
        first, last = self._within(first, last)
        return takewhile(lambda time: time <= last, nominal_times(self.schedule, first - _INSTANT))

    def count(self, first: datetime, last: datetime) -> int:
        """How many they are; the cost is that of their days."""
        return count_between(self.schedule, *self._within(first, last))

    def _within(self, first: datetime, last: datetime) -> tuple[datetime, datetime]:
        since = self.versions[0].since + _INSTANT
        return max(first, since), last if self.until is None else min(last, self.until)


def schedule_periods(history: Iterable[JobEvent | FirstEvent]) -> list[SchedulePeriod]:
    """What a job's stream says, oldest first; with the first events of its runs, in the order of the log, runs count.

    A nominal time can be expected twice: of a one-off that was moved to where something was expected before.
    """
    found: list[SchedulePeriod] = []
    place = 0
    for event in history:
        match event:
            case RunDispatched() | RunBuffered() | RunSkipped():
                if event.trigger in BY_SCHEDULE:
                    found[-1].runs += 1
                    found[-1].latest = event.nominal_at
                continue
            case JobCreated():
                found.append(SchedulePeriod([DefinitionVersion(event.definition, 1, 1)]))
            case JobChanged():
                _change(found, event, place + 1)
            case JobFinished() | JobDeleted():
                _end(found[-1], event.at)
            case OccurrencesSkipped():
                found[-1].skips.append(event)
                found[-1].latest = event.last
        place += 1
    return found


def _change(found: list[SchedulePeriod], event: JobChanged, place: int) -> None:
    """The same schedule carries on; another one looks ahead, but for a one-off that was moved into the past."""
    last = found[-1]
    before = last.versions[-1]
    version = DefinitionVersion(event.definition, before.number + 1, place, event.at)
    if last.until is None and event.definition.same_schedule(before.definition):
        last.versions.append(version)
        return
    moved = event.definition.scheduled_at != before.definition.scheduled_at
    if event.definition.recurrence == "none" and moved:
        version = replace(version, since=EVER)
    _end(last, event.at)
    found.append(SchedulePeriod([version]))


def _end(stretch: SchedulePeriod, at: datetime) -> None:
    """Whoever recorded its last time may have had a clock that was a moment ahead."""
    if stretch.until is None:
        stretch.until = max(at, stretch.latest)
