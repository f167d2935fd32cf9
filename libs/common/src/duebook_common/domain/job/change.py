"""A change of a job's definition, and where its schedule continues."""

from dataclasses import replace
from datetime import datetime, timedelta

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.events import JobChanged, JobEvent, JobFinished, OccurrencesSkipped
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.schedule.due import NextOccurrence, next_occurrence
from duebook_common.domain.schedule.nominal import last_of_both

_INSTANT = timedelta(microseconds=1)


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
    return next_occurrence(job.id, definition, _accounted_for_until(job, definition, now))


def _accounted_for_until(job: Job, definition: Definition, now: datetime) -> datetime:
    """The latest time after `now` of the new schedule that has its run already, else `now`.

    A scheduler whose clock is ahead of ours has opened it, or ours was set back.
    """
    decided_until = (job.next_at or job.updated_at) - _INSTANT
    return last_of_both(job.definition, definition, now + _INSTANT, decided_until) or now
