"""How long attempts have taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from duebook_api.schedules.forecast.job_schedules import JobSchedule


@dataclass(frozen=True, slots=True)
class AttemptDuration:
    """How long an attempt takes, in seconds: on average, and at most in 95 of 100 cases."""

    mean: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDurations:
    """How long the latest attempts took, by job and by task."""

    jobs: Mapping[UUID, AttemptDuration] = field(default_factory=dict)
    tasks: Mapping[str, AttemptDuration] = field(default_factory=dict)

    def of(self, schedule: JobSchedule) -> AttemptDuration | None:
        """The job's duration, else its task's, else None."""
        own = self.jobs.get(schedule.job_id) if schedule.job_id is not None else None
        return own or self.tasks.get(schedule.definition.task)
