"""A change of a job's definition, and where its schedule continues."""

from dataclasses import replace
from datetime import datetime

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.events import JobChanged, JobEvent, JobFinished, OccurrencesSkipped
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.schedule.due import NextOccurrence, next_occurrence
from duebook_common.domain.schedule.nominal import last_between


def change(job: Job, definition: Definition, now: datetime, *, run_exists: bool) -> list[JobEvent]:
    """Replace the definition of a job that is not deleted; nothing if the new definition is the same.

    `run_exists`: the job already has a run for the new `scheduled_at`. Unless both definitions have the same
    schedule, the occurrences that were due before `now` must have been decided by the old one.
    """
    if definition.same(job.definition):
        return []
    ahead = _continuation(job, definition, now, run_exists=run_exists)
    changed = JobChanged(definition=definition, **ahead._asdict(), at=now)
    ends = ahead.next_at is None or replace(job, definition=definition).exhausted
    if not ends or job.status is JobStatus.PAUSED:
        return [changed]
    return [changed, *_skip_past_one_off(definition, ahead.next_at, now), JobFinished(at=now)]


def _skip_past_one_off(definition: Definition, next_at: datetime | None, now: datetime) -> list[OccurrencesSkipped]:
    """The skip of a one-off that was moved into the past, where `max_runs` allows no further run."""
    if definition.recurrence != "none" or next_at is None or next_at > now:
        return []
    return [OccurrencesSkipped(first=next_at, last=next_at, count=1, reason="max_runs", next_at=None, at=now)]


def _continuation(job: Job, definition: Definition, now: datetime, *, run_exists: bool) -> NextOccurrence:
    """Where the new schedule continues: after `now`, but a one-off that was moved into the past runs at once."""
    if definition.same_schedule(job.definition) and job.next_at is not None:
        return NextOccurrence(job.next_at, job.next_due_at)
    moved = definition.scheduled_at != job.definition.scheduled_at  # else it lies ahead, or is accounted for
    if definition.recurrence == "none" and moved and not run_exists:
        return next_occurrence(job.id, definition, None)
    ahead = next_occurrence(job.id, definition, now)
    while ahead.next_at is not None and _is_accounted_for(job, ahead.next_at):
        ahead = next_occurrence(job.id, definition, ahead.next_at)
    return ahead


def _is_accounted_for(job: Job, time: datetime) -> bool:
    """Whether a nominal time after `now` has been dispatched already, by a scheduler whose clock is ahead of ours."""
    end = job.next_at or job.updated_at
    return time < end and last_between(job.definition, time, time) is not None
