"""Computes a forecast from the jobs' schedules and measured durations.

Takes up to a few seconds, so call it in a thread.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from duebook_api.schedules.forecast.clock_changes import ClockChange, clock_changes
from duebook_api.schedules.forecast.counts import HourlyCounts, hourly_counts, start_of
from duebook_api.schedules.forecast.differences import JobChange, TimesSummary, differences
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
    counts = hourly_counts(schedules, start, end)
    hours = Counter[int]()
    for job in counts:
        hours.update(job.hours)
    view: View = {
        "from": start,
        "to": end,
        "jobs": len(counts),
        "runs": hours.total(),
        "hours": [{"at": start_of(hour), "runs": hours[hour]} for hour in sorted(hours)],
        "queues": _queues(counts, durations),
        "clock_changes": [_clock_change(change) for change in clock_changes(counts, start, end)],
    }
    if changes is not None:
        added, removed = differences(changes, start, end)
        view |= {"added": _times(added), "removed": _times(removed)}
    return view


def _queues(counts: Sequence[HourlyCounts], durations: MeasuredDurations) -> list[View]:
    by_queue: dict[str, list[HourlyCounts]] = {}
    for job in counts:
        by_queue.setdefault(job.schedule.definition.queue, []).append(job)
    share = 1 / max(len(by_queue), 1)
    return [_queue(name, by_queue[name], durations, share) for name in sorted(by_queue)]


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
