"""The DST transitions in a window, and the jobs with times in their gap or fold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from duebook_api.schedules.dst_effects import affected, fold_text, keeps_local_time
from duebook_api.schedules.forecast.counts import HourlyCounts
from duebook_api.schedules.forecast.job_schedules import JobSchedule
from duebook_common.domain.schedule.dst import Transition, transitions

_MARGIN = timedelta(days=2)  # a job whose first and last time are farther away cannot be affected


@dataclass(frozen=True, slots=True)
class AffectedJob:
    """A job with times that a transition skips (`gap`) or repeats (`fold`), and what its `dst` does with them."""

    schedule: JobSchedule
    falls_in: Literal["gap", "fold"]

    @property
    def effect(self) -> str:
        dst = self.schedule.definition.dst
        if self.falls_in == "fold":
            return fold_text(dst)
        return f"{'runs when the gap ends' if dst.gap == 'run_after' else 'is left out'} (dst.gap {dst.gap})"


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A zone's transition with the jobs of the zone that it affects."""

    zone: str
    transition: Transition
    jobs: Sequence[AffectedJob]

    @property
    def text(self) -> str:
        old, new = self.transition.local_before, self.transition.local_after
        return f"on {old:%Y-%m-%d} the clocks in {self.zone} go from {old:%H:%M} to {new:%H:%M}"


def clock_changes(counts: Iterable[HourlyCounts], start: datetime, end: datetime) -> list[ClockChange]:
    """The transitions in [start, end) of all zones in whose local time a job runs, in order."""
    by_zone: dict[str, list[HourlyCounts]] = {}
    for job in counts:
        if keeps_local_time(job.schedule.definition):
            by_zone.setdefault(job.schedule.definition.timezone, []).append(job)
    changes = [
        ClockChange(zone, transition, _affected_jobs(jobs, transition))
        for zone, jobs in by_zone.items()
        for transition in transitions(ZoneInfo(zone), start.astimezone(UTC), end.astimezone(UTC))
    ]
    return sorted(changes, key=lambda change: (change.transition.at, change.zone))


def _affected_jobs(jobs: Iterable[HourlyCounts], transition: Transition) -> list[AffectedJob]:
    near = [job for job in jobs if job.first - _MARGIN <= transition.at <= job.last + _MARGIN]
    found = [(job.schedule, affected(job.schedule.definition, transition)) for job in near]
    return [AffectedJob(schedule, kind) for schedule, kind in found if kind is not None]
