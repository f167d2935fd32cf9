"""Forecasts of schedules that are made up."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_api.schedules.forecast.differences import JobChange
from duebook_api.schedules.forecast.durations import AttemptDuration, MeasuredDurations
from duebook_api.schedules.forecast.forecast import compute_forecast
from duebook_api.schedules.forecast.job_schedules import JobSchedule
from duebook_common.domain.schedule.nominal import nominal_times
from support.samples import DAY, NOW, a_definition

START = NOW.replace(hour=0)


def a_schedule(number: int = 1, left: int | None = None, **fields: Any) -> JobSchedule:
    """The schedule of a job that starts with the window."""
    definition = a_definition(**{"scheduled_at": START, "recurrence": "daily", **fields})
    next_at = next(nominal_times(definition), None)
    return JobSchedule(job_id=UUID(int=number), definition=definition, next_at=next_at, runs_left=left)


def a_forecast(
    *schedules: JobSchedule,
    changes: list[JobChange] | None = None,
    durations: MeasuredDurations | None = None,
    start: datetime = START,
    length: timedelta = DAY,
) -> Any:
    return compute_forecast(schedules, changes, durations or MeasuredDurations(), start, start + length)


def measured(**seconds: float) -> MeasuredDurations:
    """Tasks whose attempts take so many seconds on average, and twice as many at the 95th percentile."""
    return MeasuredDurations(tasks={task: AttemptDuration(mean, 2 * mean) for task, mean in seconds.items()})
