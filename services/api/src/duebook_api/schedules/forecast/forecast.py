"""Computes a forecast from the jobs' schedules and measured durations.

Takes up to a few seconds, so call it in a thread.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from duebook_api.schedules.forecast.clock_changes import ClockChange, clock_changes
from duebook_api.schedules.forecast.counts import HourlyCounts, hourly_counts, start_of
from duebook_api.schedules.forecast.differences import JobChange, TimesSummary, changed_times, schedules_after
from duebook_api.schedules.forecast.durations import AttemptDuration, MeasuredDurations
from duebook_api.schedules.forecast.job_schedules import JobSchedule
from duebook_api.schedules.forecast.peaks import Peak, queue_peaks

_UNMEASURED = AttemptDuration(1.0, 1.0)
_MAX_AFFECTED_JOBS = 100

View = dict[str, Any]


def compute_forecast(
    schedules: Sequence[JobSchedule],
    changes: Sequence[JobChange] | None,
    durations: MeasuredDurations,
    start: datetime,
    end: datetime,
) -> View:
    """The forecast for [start, end), as the API returns it. Raises ForecastTooLarge.

    `schedules` are those with the changes applied; `changes` only yield the differences.
    """
    # First, because it refuses most of what is too large, and at once.
    differences = {} if changes is None else _differences(changes, start, end)
    return _view(hourly_counts(schedules, start, end), _Queues(durations), start, end) | differences


def compute_comparison(
    unchanged: Sequence[JobSchedule],
    before: Sequence[JobSchedule],
    changes: Sequence[JobChange],
    durations: MeasuredDurations,
    start: datetime,
    end: datetime,
) -> tuple[View, View]:
    """The forecast with the changes, and the one without, which has the schedules `before`. Raises ForecastTooLarge.

    What both have in common, most of all, is computed once.
    """
    differences = _differences(changes, start, end)
    queues, known = _Queues(durations), hourly_counts(unchanged, start, end)
    after = _view(hourly_counts(schedules_after(changes), start, end, known), queues, start, end)
    without = _view(hourly_counts(before, start, end, known), queues, start, end)
    return after | differences, without


def _view(counts: Sequence[HourlyCounts], queues: "_Queues", start: datetime, end: datetime) -> View:
    hours = Counter[int]()
    for job in counts:
        hours.update(job.hours)
    return {
        "from": start,
        "to": end,
        "jobs": len(counts),
        "runs": hours.total(),
        "hours": [{"at": start_of(hour), "runs": hours[hour]} for hour in sorted(hours)],
        "queues": queues.views(counts),
        "clock_changes": [_clock_change(change) for change in clock_changes(counts, start, end)],
    }


def _differences(changes: Sequence[JobChange], start: datetime, end: datetime) -> View:
    added, removed = changed_times(changes, start, end)
    return {"added": _times(added), "removed": _times(removed)}


class _Queues:
    """The queues of forecasts of the same window. One whose jobs are the same as before is not computed again."""

    def __init__(self, durations: MeasuredDurations) -> None:
        self._durations = durations
        self._known: dict[str, tuple[list[HourlyCounts], float, View]] = {}

    def views(self, counts: Sequence[HourlyCounts]) -> list[View]:
        by_queue: dict[str, list[HourlyCounts]] = {}
        for job in counts:
            by_queue.setdefault(job.schedule.definition.queue, []).append(job)
        share = 1 / max(len(by_queue), 1)
        return [self._view(name, by_queue[name], share) for name in sorted(by_queue)]

    def _view(self, name: str, queue: list[HourlyCounts], share: float) -> View:
        known = self._known.get(name)
        if known is not None and known[:2] == (queue, share):
            return known[2]
        view = _queue(name, queue, self._durations, share)
        self._known[name] = (queue, share, view)
        return view


def _queue(name: str, queue: Sequence[HourlyCounts], durations: MeasuredDurations, share: float) -> View:
    peaks = queue_peaks(queue, lambda job: durations.of(job.schedule) or _UNMEASURED, share)
    return {
        "queue": name,
        "runs": sum(job.runs for job in queue),
        "peak": {"mean": _peak(peaks.mean), "p95": _peak(peaks.p95), "hours_looked_at": peaks.hours or "all"},
        "unmeasured_jobs": sum(durations.of(job.schedule) is None for job in queue),
    }


def _peak(peak: Peak) -> View:
    return {"runs": peak.runs, "at": peak.at}


def _clock_change(change: ClockChange) -> View:
    jobs = [
        _job(job.schedule) | {"falls_in": job.falls_in, "does": job.effect} for job in change.jobs[:_MAX_AFFECTED_JOBS]
    ]
    return {
        "at": change.transition.at,
        "timezone": change.zone,
        "says": change.text,
        "jobs_hit": len(change.jobs),
        "jobs": jobs,
    }


def _times(times: TimesSummary) -> View:
    earliest = [{"nominal_at": time} | _job(schedule) for time, schedule in times.earliest]
    return {"count": times.count, "times": earliest}


def _job(schedule: JobSchedule) -> View:
    return {"job_id": schedule.job_id, "name": schedule.name}
