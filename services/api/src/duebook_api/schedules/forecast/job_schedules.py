"""The nominal times that a job is still to run, by its definition as it is or as a change would make it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.state import Job
from duebook_common.domain.schedule.due import occurrences
from duebook_common.domain.schedule.nominal import chunks_between, count_between, next_after
from duebook_common.domain.schedule.times import TimeSequence

RESOLUTION = timedelta(microseconds=1)
_ANY_JOB_ID = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSchedule:
    """What is left of a job's schedule.

    `job_id` is None for a job that a change would create. `next_at` is its next nominal time, None if it has no more.
    `runs_left` is what is left of `max_runs`, None if the job has no such limit.
    """

    job_id: UUID | None
    definition: Definition
    next_at: datetime | None
    runs_left: int | None = None

    @property
    def name(self) -> str:
        return self.definition.name


def job_schedule(job: Job, next_at: datetime | None, *, new: bool = False) -> JobSchedule:
    """The job's schedule from its nominal time `next_at` on; `new` if the job does not exist yet."""
    max_runs = job.definition.max_runs
    runs_left = None if max_runs is None else max(0, max_runs - job.runs)
    job_id = None if new else job.id
    return JobSchedule(job_id=job_id, definition=job.definition, next_at=next_at, runs_left=runs_left)


def nominal_times(schedule: JobSchedule, start: datetime, end: datetime) -> Iterator[TimeSequence]:
    """The nominal times in [start, end) for which the job would have a run, in ascending chunks."""
    if schedule.next_at is None:
        return
    left = schedule.runs_left
    if left is not None and schedule.next_at < start:
        left -= count_between(schedule.definition, schedule.next_at, start - RESOLUTION)
    if left is not None and left <= 0:
        return
    for chunk in chunks_between(schedule.definition, max(start, schedule.next_at), end - RESOLUTION):
        if left is not None and len(chunk) >= left:
            yield chunk.head(left)
            return
        yield chunk
        left = None if left is None else left - len(chunk)


def due_times(schedule: JobSchedule, start: datetime, end: datetime) -> Iterator[datetime]:
    """When the occurrences with nominal times in [start, end) are due. Does not look at `next_at` and `runs_left`."""
    definition = schedule.definition
    if definition.jitter is None:
        for chunk in chunks_between(definition, start, end - RESOLUTION):
            yield from chunk
    elif (first := next_after(definition, start - RESOLUTION)) is not None:
        series = occurrences(schedule.job_id or _ANY_JOB_ID, definition, first)
        yield from (each.due_at for each in takewhile(lambda each: each.nominal_at < end, series))
