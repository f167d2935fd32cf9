"""A job's history as periods of time, each with the schedule that was in force: which nominal times were expected.

Derived from the job's events alone, without looking at the runs of these nominal times.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.events import (
    JobChanged,
    JobCreated,
    JobDeleted,
    JobEvent,
    JobFinished,
    OccurrencesSkipped,
)
from duebook_common.domain.run.events import BY_SCHEDULE, FirstEvent
from duebook_common.domain.schedule.nominal import chunks_between, count_between, last_of_both
from duebook_common.domain.schedule.times import TimeSequence

EARLIEST = datetime(1969, 12, 31, tzinfo=UTC)  # no schedule names a time before 1970
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DefinitionVersion:
    """A definition and its number, from 1 on. `stream_version` is that of its event; it is in force after `since`."""

    definition: Definition
    number: int
    stream_version: int
    since: datetime = EARLIEST


@dataclass(slots=True)
class SchedulePeriod:
    """The time during which a job had one schedule. Changes of other fields of the definition add a version.

    `until` is the last instant of the period, None if it lasts. `latest` is the last nominal time with a recorded run
    or skip. `runs` counts the runs of the schedule, if the history contains their first events.
    """

    versions: list[DefinitionVersion]
    until: datetime | None = None
    skips: list[OccurrencesSkipped] = field(default_factory=list)
    runs: int = 0
    latest: datetime = EARLIEST

    @property
    def schedule(self) -> Definition:
        return self.versions[0].definition

    def version_at(self, time: datetime) -> DefinitionVersion:
        """The definition in force at a nominal time. A change takes effect after its own instant."""
        return self.versions[max(bisect_left(self.versions, time, key=lambda version: version.since) - 1, 0)]

    def times(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """The nominal times from `first` to `last`, both included, in order."""
        return chain.from_iterable(self.chunks(first, last))

    def chunks(self, first: datetime, last: datetime) -> Iterator[TimeSequence]:
        """The same times in chunks, each counted without looking at its times."""
        return chunks_between(self.schedule, *self._within(first, last))

    def count(self, first: datetime, last: datetime) -> int:
        """The number of nominal times from `first` to `last`, both included. Costs as much as counting their days."""
        return count_between(self.schedule, *self._within(first, last))

    def _within(self, first: datetime, last: datetime) -> tuple[datetime, datetime]:
        start = self.versions[0].since + _INSTANT
        return max(first, start), last if self.until is None else min(last, self.until)


def schedule_periods(history: Iterable[JobEvent | FirstEvent]) -> list[SchedulePeriod]:
    """The periods of a job's stream, oldest first. Runs count if the first events of runs are merged in log order.

    Two periods can name the same nominal time: a one-off may be moved to a time that was expected before.
    """
    periods: list[SchedulePeriod] = []
    stream_version = 0
    for event in history:
        if isinstance(event, FirstEvent):
            if event.trigger in BY_SCHEDULE:
                periods[-1].runs += 1
                periods[-1].latest = event.nominal_at
                if periods[-1].schedule.recurrence == "none":
                    _end(periods[-1], event.at)
            continue
        stream_version += 1
        match event:
            case JobCreated():
                periods.append(SchedulePeriod([DefinitionVersion(event.definition, 1, stream_version)]))
            case JobChanged():
                _change(periods, event, stream_version)
            case JobFinished() | JobDeleted():
                _end(periods[-1], event.at)
            case OccurrencesSkipped():
                periods[-1].skips.append(event)
                periods[-1].latest = event.last
    return periods


def _change(periods: list[SchedulePeriod], event: JobChanged, stream_version: int) -> None:
    """Add a version if the schedule stays the same, else a period.

    A new schedule names times after the change only, and after the last that the old one names too and has accounted
    for: a clock may have been set back before the change. A one-off that was moved may lie in the past.
    """
    period = periods[-1]
    before = period.versions[-1]
    version = DefinitionVersion(event.definition, before.number + 1, stream_version, event.at)
    if period.until is None and event.definition.same_schedule(before.definition):
        period.versions.append(version)
        return
    moved = event.definition.scheduled_at != before.definition.scheduled_at
    if event.definition.recurrence == "none" and moved:
        version = replace(version, since=EARLIEST)
    else:
        version = replace(version, since=_accounted_for_until(period, event))
    _end(period, event.at)
    periods.append(SchedulePeriod([version]))


def _accounted_for_until(period: SchedulePeriod, event: JobChanged) -> datetime:
    only = period.schedule.scheduled_at if period.schedule.recurrence == "none" else EARLIEST
    has_run = event.next_at is None or event.next_at > only  # the history may lack the first event of its run
    known_until = period.until or (only if has_run else EARLIEST)
    decided_until = max(period.latest, period.versions[0].since, known_until)
    return last_of_both(period.schedule, event.definition, event.at + _INSTANT, decided_until) or event.at


def _end(period: SchedulePeriod, at: datetime) -> None:
    """End the period, if it has not ended, at `at`, or at a later time that a clock ahead of `at` has recorded."""
    if period.until is None:
        period.until = max(at, period.latest)
