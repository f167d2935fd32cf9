"""A whole forecast from plans and measured durations. Takes up to some seconds, so off the event loop."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_api.schedules.forecast.clock_changes import ClockChange, clock_changes
from duebook_api.schedules.forecast.counts import HourlyCounts, count, start_of
from duebook_api.schedules.forecast.differences import Change, Times, differences
from duebook_api.schedules.forecast.peaks import Peak, peaks
from duebook_api.schedules.forecast.plans import Lasting, Plan

_UNMEASURED = Lasting(1.0, 1.0)
_MOST_HITS = 100

View = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDurations:
    """How long the latest attempts took, by job and by task."""

    jobs: Mapping[UUID, Lasting] = field(default_factory=dict)
    tasks: Mapping[str, Lasting] = field(default_factory=dict)

    def of(self, plan: Plan) -> Lasting | None:
        own = self.jobs.get(plan.job_id) if plan.job_id is not None else None
        return own or self.tasks.get(plan.definition.task)


def foretell(
    plans: Sequence[Plan], changes: Sequence[Change] | None, measured: MeasuredDurations, start: datetime, end: datetime
) -> View:
    """The window [start, end) by these plans; `changes` led to them. Raises TooMuch."""
    counted = count(plans, start, end)
    hours = Counter[int]()
    for each in counted:
        hours.update(each.hours)
    view: View = {
        "from": start,
        "to": end,
        "jobs": len(counted),
        "runs": hours.total(),
        "hours": [{"at": start_of(hour), "runs": hours[hour]} for hour in sorted(hours)],
        "queues": _queues(counted, measured),
        "clock_changes": [_clock_change(each) for each in clock_changes(counted, start, end)],
    }
    if changes is not None:
        added, removed = differences(changes, start, end)
        view |= {"added": _times(added), "removed": _times(removed)}
    return view


def _queues(counted: Sequence[HourlyCounts], measured: MeasuredDurations) -> list[View]:
    by_queue: dict[str, list[HourlyCounts]] = {}
    for each in counted:
        by_queue.setdefault(each.plan.definition.queue, []).append(each)
    share = 1 / max(len(by_queue), 1)
    return [_queue(name, by_queue[name], measured, share) for name in sorted(by_queue)]


def _queue(name: str, counted: Sequence[HourlyCounts], measured: MeasuredDurations, share: float) -> View:
    found = peaks(counted, lambda each: measured.of(each.plan) or _UNMEASURED, share)
    return {
        "queue": name,
        "runs": sum(each.runs for each in counted),
        "peak": {"mean": _peak(found.mean), "p95": _peak(found.p95), "hours_looked_at": found.hours or "all"},
        "unmeasured_jobs": sum(measured.of(each.plan) is None for each in counted),
    }


def _peak(peak: Peak) -> View:
    return {"runs": peak.runs, "at": peak.at}


def _clock_change(each: ClockChange) -> View:
    jobs = [_job(hit.plan) | {"falls_in": hit.falls_in, "does": hit.does} for hit in each.hits[:_MOST_HITS]]
    return {"at": each.change.at, "timezone": each.zone, "says": each.says, "jobs_hit": len(each.hits), "jobs": jobs}


def _times(times: Times) -> View:
    return {"count": times.count, "times": [{"nominal_at": time} | _job(plan) for time, plan in times.first]}


def _job(plan: Plan) -> View:
    return {"job_id": plan.job_id, "name": plan.name}
